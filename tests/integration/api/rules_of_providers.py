"""The rules of External pools, and of TLS to any pool, on both sides."""

from tests.integration.api.rules import Rule, rule
from tests.integration.api.subjects import EXISTING_POOL, EXTERNAL_POOL, at


def _bundles() -> list[Rule]:
    words = "must be certificates in PEM, the first line `-----BEGIN CERTIFICATE-----`"
    good = "-----BEGIN CERTIFICATE-----\n" + "A" * 64
    return [
        rule(
            f".{path}.caBundle",
            words,
            base,
            refused=at(f"{path}.caBundle", f"\n{good}"),
            accepted=at(f"{path}.caBundle", good),
        )
        for base, path in ((EXISTING_POOL, "spec.existing.tls"), (EXTERNAL_POOL, "spec.external"))
    ]


def _external() -> list[Rule]:
    path, plain = "spec.external", "http://llm.example/v1"
    compatible = {"provider": "OpenAICompatible", "baseURL": plain, "credentialSecretRef": None}
    return [
        rule(
            ".spec",
            "external must be set when type is External",
            EXTERNAL_POOL,
            refused=at(path, None),
            accepted={},
        ),
        rule(
            f".{path}.baseURL",
            "must have a port between 1 and 65535",
            EXTERNAL_POOL,
            refused=at(f"{path}.baseURL", "https://api.example:65536/v1"),
            accepted=at(f"{path}.baseURL", "https://api.example:65535/v1"),
        ),
        rule(
            f".{path}",
            "baseURL must be set when provider is OpenAICompatible",
            EXTERNAL_POOL,
            refused=at(f"{path}.provider", "OpenAICompatible"),
            accepted=at(path, compatible),
        ),
        rule(
            f".{path}",
            "baseURL must begin with https:// unless provider is OpenAICompatible: the key"
            " would travel in the clear",
            EXTERNAL_POOL,
            refused=at(f"{path}.baseURL", plain),
            accepted=at(path, compatible),
        ),
        rule(
            f".{path}",
            "credentialSecretRef must be set unless provider is OpenAICompatible",
            EXTERNAL_POOL,
            refused=at(f"{path}.credentialSecretRef", None),
            accepted=at(path, compatible),
        ),
        rule(
            f".{path}",
            "organization is OpenAI's: it must not be set for another provider",
            EXTERNAL_POOL,
            refused=at(path, {"provider": "Anthropic", "organization": "org-1"}),
            accepted=at(path, {"organization": "org-1"}),
        ),
        rule(
            f".{path}",
            "serverName and caBundle are of TLS: baseURL must begin with https://",
            EXTERNAL_POOL,
            refused=at(path, {**compatible, "serverName": "llm.example"}),
            accepted=at(path, {"serverName": "llm.example"}),
        ),
        rule(
            f".{path}",
            "promptCaching Auto is for provider Anthropic: the others cache by themselves",
            EXTERNAL_POOL,
            refused=at(f"{path}.promptCaching", {"type": "Auto"}),
            accepted=at(path, {"provider": "Anthropic", "promptCaching": {"type": "Auto"}}),
        ),
        *_bundles(),
    ]


EXTERNAL = _external()
