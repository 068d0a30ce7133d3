"""The Lua filters: reading requests, and rewriting `model` for a pool."""

import json
import re
from importlib.resources import files
from typing import Final

from tokenfleet.adapters.envoy.attempts import FLUSH_MS
from tokenfleet.adapters.envoy.wire import LUA_FILTER, SERVED, SESSION_HEADER, Json, extension
from tokenfleet.domain.routing.ir import Attribution

_LUA: Final = "envoy.extensions.filters.http.lua.v3.Lua"


def request_filter(attribution: Attribution) -> Json:
    """Return the filter that reads requests, and measures late first tokens."""
    code = _script(
        "request.lua",
        FEATURE=_quoted(attribution.feature),
        REQUEST_TYPE=_quoted(attribution.request_type),
        USER=_quoted(attribution.user),
        SESSION=_quoted(SESSION_HEADER),
        SLOW_MS=str(FLUSH_MS),
    )
    # The script clears the route cache itself, once, when all headers that routing reads are there.
    return extension(
        LUA_FILTER, _LUA, default_source_code={"inline_string": code}, clear_route_cache=False
    )


def rewrite_filter(model_name: str) -> Json:
    """Return the upstream filter that puts a pool's model name into the body.

    A matcher keeps the script away from attempts whose body has that name already.
    """
    code = _script("rewrite.lua", MODEL=_quoted(model_name))
    right = f"[0-9]+:[0-9]+:{re.escape(model_name)}"
    return extension(
        "tokenfleet.rewrite",
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=extension(
            "tokenfleet.rewrite", _LUA, default_source_code={"inline_string": code}
        ),
        xds_matcher={
            "matcher_list": {
                "matchers": [
                    {
                        "predicate": {
                            "single_predicate": {
                                "input": extension(
                                    SERVED,
                                    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                                    header_name=SERVED,
                                ),
                                "value_match": {"safe_regex": {"google_re2": {}, "regex": right}},
                            }
                        },
                        "on_match": {
                            "action": extension(
                                "skip",
                                "envoy.extensions.filters.common.matcher.action.v3.SkipFilter",
                            )
                        },
                    }
                ]
            }
        },
    )


def _script(name: str, **values: str) -> str:
    code = files("tokenfleet.adapters.envoy").joinpath("lua", name).read_text(encoding="utf-8")
    for key, value in values.items():
        code = code.replace(f"@{key}@", value)
    return code


def _quoted(text: str) -> str:
    """Quote for Lua; header and model names hold nothing that JSON and Lua write differently."""
    return json.dumps(text, ensure_ascii=True)
