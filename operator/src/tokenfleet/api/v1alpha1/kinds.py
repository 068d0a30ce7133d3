"""The kinds of v1alpha1, in the order in which people meet them."""

from typing import Final

from tokenfleet.api.conventions import Kind, Model
from tokenfleet.api.v1alpha1.modelroute import MODEL_ROUTE, ModelRoute
from tokenfleet.api.v1alpha1.modelrouter import MODEL_ROUTER, ModelRouter
from tokenfleet.api.v1alpha1.servingpool import SERVING_POOL, ServingPool
from tokenfleet.api.v1alpha1.tokenslo import TOKEN_SLO, TokenSLO

KINDS: Final[tuple[tuple[Kind, type[Model]], ...]] = (
    (SERVING_POOL, ServingPool),
    (MODEL_ROUTER, ModelRouter),
    (MODEL_ROUTE, ModelRoute),
    (TOKEN_SLO, TokenSLO),
)
