"""The types of conditions that are part of this API; `v1alpha1.condition` is the object.

Constants alone: the router's agent reads them too, and pays for no API model.
"""

from typing import Final

ACCEPTED: Final = "Accepted"
"""The spec is valid and nobody else claims what it claims."""
RESOLVED_REFS: Final = "ResolvedRefs"
"""Every object the spec names exists and can be used."""
PROGRAMMED: Final = "Programmed"
"""Every ready router replica has acknowledged the configuration."""
FALLBACK_AVAILABLE: Final = "FallbackAvailable"
"""Each rule that names fallbacks has one that is meant to run."""
AVAILABLE: Final = "Available"
"""At least one replica of the pool serves."""
PROGRESSING: Final = "Progressing"
"""A change is being rolled out."""
DATA_AVAILABLE: Final = "DataAvailable"
"""The measurements that the objective needs are there and fresh."""
MET: Final = "Met"
"""The objective is met now."""
VOTING: Final = "Voting"
"""The objective may move traffic: it asks to, and nothing stands against it."""
AFFORDABLE: Final = "Affordable"
"""More may be shifted to External pools within what shifts may cost."""
MANAGED_BY_ANOTHER: Final = "ManagedByAnother"
"""Two operators watch the object: one of them manages it, the other leaves it alone."""
WEIGHTS_FETCHED: Final = "WeightsFetched"
"""What a pool's engines load lies in its cache."""
READY: Final = "Ready"
"""The summary: the object does what its spec says."""
