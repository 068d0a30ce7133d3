"""What a router calls routes, pools and Services: by name, and those of other namespaces in full.

    at namespace platform:  chat of platform -> chat        chat of team-a -> team-a/chat

Neither part holds a slash, so no two objects have the same name on one router, and what a router
has always called its own stays. The same names stand in `<router>-config` and in the labels `route`
and `pool` of the router's metrics.
"""

from typing import NamedTuple


class Place(NamedTuple):
    """Where an object is."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Write both: `team-a/chat`."""
        return f"{self.namespace}/{self.name}"


def local_name(namespace: str, name: str, *, at: str) -> str:
    """Return what a router in namespace `at` calls an object."""
    return name if namespace == at else f"{namespace}/{name}"


def place_of(local: str, *, at: str) -> Place:
    """Return the object that a router in namespace `at` calls so."""
    namespace, slash, name = local.rpartition("/")
    return Place(namespace if slash else at, name)


def config_name(router: str) -> str:
    """Return the name of the ConfigMap that a router runs from."""
    return f"{router}-config"
