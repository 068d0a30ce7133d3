"""The API server of the other tests of the API."""

from tests.integration.api.conftest import cluster

__all__ = ["cluster"]
