"""Providers: what is known of them without asking."""

import pytest

from tokenfleet.domain.routing.providers import BYTES_PER_TOKEN, cache_least


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-opus-5", 512),
        ("claude-opus-5-5", 512),
        ("claude-fable-5-1", 512),
        ("claude-mythos-5", 512),
        ("claude-opus-4-8", 1024),
        ("claude-opus-4-1-20250805", 1024),
        ("claude-opus-4-20250514", 1024),
        ("claude-sonnet-5", 1024),
        ("claude-sonnet-4-6", 1024),
        ("claude-sonnet-4-5-20250929", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-mythos-preview", 2048),
        ("claude-3-5-haiku-20241022", 2048),
        ("claude-opus-4-6", 4096),
        ("claude-opus-4-5-20251101", 4096),
        ("claude-haiku-4-5-20251001", 4096),
        ("a-name-that-nobody-knows", 4096),
    ],
)
def test_marks_for_the_cache_begin_where_the_provider_says(model: str, tokens: int) -> None:
    """Platform.claude.com, "Prompt caching", section "Cache limitations"."""
    assert cache_least(model) == tokens * BYTES_PER_TOKEN
