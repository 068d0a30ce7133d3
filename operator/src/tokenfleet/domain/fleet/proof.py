"""For whom the operator's proofs are meant: one audience for each router.

A token that one router's agents are shown is of no use with another's, nor with the API server.
"""


def audience(namespace: str, router: str) -> str:
    """Return the audience (RFC 7519, `aud`) of tokens that a router's agents believe."""
    return f"tokenfleet.dev/routers/{namespace}/{router}"
