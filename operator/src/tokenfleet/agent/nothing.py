"""The configuration of a router that has none yet."""

from tokenfleet.domain.routing.ir import Attribution, RouterConfig

BODY_LIMIT = 8 * 1024 * 1024


def nothing(namespace: str, router: str) -> RouterConfig:
    """Return a configuration without routes: every request is answered with 404."""
    attribution = Attribution(
        feature="x-tokenfleet-feature",
        request_type="x-tokenfleet-request-type",
        user="x-tokenfleet-user",
    )
    return RouterConfig(
        namespace=namespace,
        name=router,
        attribution=attribution,
        body_limit=BODY_LIMIT,
        allow_origins=(),
        explain=True,
        access_log="Off",
        tracing=None,
        pools=(),
        routes=(),
    )
