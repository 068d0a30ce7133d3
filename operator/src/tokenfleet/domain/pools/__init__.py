"""From a ServingPool to the Kubernetes objects that serve it."""
