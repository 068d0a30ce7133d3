"""Answers that the router gives itself: the model list, and errors in OpenAI's shape."""

from collections.abc import Iterable

from tokenfleet.adapters.envoy.wire import MODEL, Json, canonical, openai_error, typed
from tokenfleet.domain.routing.ir import RouterConfig

MODELS_PATH = "/v1/models"


def without_model(config: RouterConfig) -> Json:
    """Return the matcher for requests that no route takes."""
    names = sorted(name for route in config.routes for name in route.model_names)
    listing = {"object": "list", "data": [_model(name) for name in names]}
    paths = {MODELS_PATH: _answer("models", 200, listing)}
    paths |= {f"{MODELS_PATH}/{name}": _answer("models", 200, _model(name)) for name in names}
    unknown_model = openai_error(
        "the model does not exist; GET /v1/models lists those that do",
        "invalid_request_error",
        "model_not_found",
        "model",
    )
    unknown_path = openai_error(
        "there is nothing at this path", "invalid_request_error", "not_found"
    )
    return {
        "matcher_list": {
            "matchers": [
                {
                    "predicate": _present(MODEL),
                    "on_match": _action(_answer("unknown-model", 404, unknown_model)),
                }
            ]
        },
        "on_no_match": {
            "matcher": {
                "matcher_tree": {
                    "input": _input(":path"),
                    "exact_match_map": {"map": {k: _action(v) for k, v in paths.items()}},
                },
                "on_no_match": _action(_answer("unknown-path", 404, unknown_path)),
            }
        },
    }


def no_rule(route: str) -> Json:
    """Return the answer for a request that no rule of its route takes."""
    message = f"no rule of the route {route} takes this request"
    return _answer("no-rule", 404, openai_error(message, "invalid_request_error", "no_rule"))


def no_pool(route: str, rule: str) -> Json:
    """Return the answer of a rule that has no pool."""
    message = f"the rule {rule} of the route {route} has no pool to send requests to"
    return _answer(f"{route}/{rule}", 503, openai_error(message, "server_error", "no_pool"))


def local_reply_config(body_limit: int) -> Json:
    """Return how Envoy words the errors that it makes by itself."""
    return {
        "mappers": [
            _mapper(
                [413],
                f"the request body is larger than {body_limit} bytes",
                "invalid_request_error",
                "request_too_large",
            ),
            _mapper([408, 504], "no answer in time", "server_error", "timeout"),
            _mapper(
                [500, 502, 503],
                "no pool could serve the request",
                "server_error",
                "service_unavailable",
            ),
        ]
    }


def _mapper(statuses: Iterable[int], message: str, kind: str, code: str) -> Json:
    filters = [
        {
            "status_code_filter": {
                "comparison": {
                    "op": "EQ",
                    "value": {"default_value": status, "runtime_key": f"tokenfleet.{status}"},
                }
            }
        }
        for status in statuses
    ]
    # A reply of the route table itself has its own words; those that Envoy makes up have a flag.
    made_up: Json = {"response_flag_filter": {}}
    one = filters[0] if len(filters) == 1 else {"or_filter": {"filters": filters}}
    return {
        "filter": {"and_filter": {"filters": [made_up, one]}} if 413 not in statuses else one,  # noqa: PLR2004
        "body_format_override": {
            "text_format_source": {"inline_string": canonical(openai_error(message, kind, code))},
            "content_type": "application/json",
        },
    }


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "tokenfleet"}


def _answer(name: str, status: int, body: Json) -> Json:
    return {
        "name": name,
        "match": {"prefix": "/"},
        "direct_response": {"status": status, "body": {"inline_string": canonical(body)}},
        "response_headers_to_add": [
            {
                "header": {"key": "content-type", "value": "application/json"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }


def _action(route: Json) -> Json:
    return {
        "action": {"name": "route", "typed_config": typed("envoy.config.route.v3.Route", **route)}
    }


def _input(header: str) -> Json:
    return {
        "name": header,
        "typed_config": typed(
            "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=header
        ),
    }


def _present(header: str) -> Json:
    return {
        "single_predicate": {
            "input": _input(header),
            "value_match": {"safe_regex": {"google_re2": {}, "regex": ".*"}},
        }
    }
