"""A bounded open-loop load of OpenAI requests, run as a pod of the cluster under test."""
