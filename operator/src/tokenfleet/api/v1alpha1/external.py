"""Pools outside the cluster, and what a connection to any server that is not a plain pod needs."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tokenfleet.api.conventions import CEL, DNS_SUBDOMAIN, Earlier, HeaderName, Model
from tokenfleet.api.v1alpha1.model_source import SecretKeyReference

Provider = Literal["OpenAI", "Anthropic", "Fireworks", "OpenAICompatible"]

BASE_URL: Final = r"^https?://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[-A-Za-z0-9._~]+)*/?$"

BaseURL = Annotated[
    str,
    Field(min_length=8, max_length=512, pattern=BASE_URL),
    CEL(
        rule="!isURL(self) || url(self).getPort() == ''"
        " || (int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)",
        message="must have a port between 1 and 65535",
    ),
]
"""Scheme, host, port and path, without credentials, query or fragment."""

ServerName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
"""Name that a certificate is for."""

CertificateBundle = Annotated[
    str,
    Field(min_length=64, max_length=16_384),
    CEL(
        rule="self.startsWith('-----BEGIN CERTIFICATE-----')",
        message="must be certificates in PEM, the first line `-----BEGIN CERTIFICATE-----`",
    ),
]
"""Certificates of authorities, in PEM."""


class ServerTLS(Model):
    """How the router checks the certificates of replicas that speak TLS."""

    server_name: ServerName | None = None
    """Name in their certificates, also sent as SNI; absent means `<service>.<namespace>.svc`."""
    ca_bundle: CertificateBundle | None = None
    """Authorities that sign them, in PEM; absent means those that the router's image trusts."""


class PromptCaching(Model):
    """Who marks the beginnings of prompts that the provider is to cache."""

    type: Annotated[Literal["Disabled", "Auto"], Earlier({"Off": "Disabled"})] = "Disabled"
    """Disabled: clients; their bytes stay as they are. Auto: the router, where a client marks
    nothing."""


class External(Model):
    """A model that somebody serves over the internet, or anywhere that a name leads to."""

    validations: ClassVar[tuple[CEL, ...]] = (
        CEL(
            rule="self.provider != 'OpenAICompatible' || has(self.baseURL)",
            message="baseURL must be set when provider is OpenAICompatible",
            field_path=".baseURL",
        ),
        CEL(
            rule="self.provider == 'OpenAICompatible' || !has(self.baseURL)"
            " || self.baseURL.startsWith('https://')",
            message="baseURL must begin with https:// unless provider is OpenAICompatible: the key"
            " would travel in the clear",
            field_path=".baseURL",
        ),
        CEL(
            rule="self.provider == 'OpenAICompatible' || has(self.credentialSecretRef)",
            message="credentialSecretRef must be set unless provider is OpenAICompatible",
            field_path=".credentialSecretRef",
        ),
        CEL(
            rule="self.provider == 'OpenAI' || !has(self.organization)",
            message="organization is OpenAI's: it must not be set for another provider",
            field_path=".organization",
        ),
        CEL(
            rule="self.provider == 'Anthropic' || !has(self.promptCaching)"
            " || self.promptCaching.type != 'Auto'",
            message="promptCaching Auto is for provider Anthropic: the others cache by themselves",
            field_path=".promptCaching",
        ),
        CEL(
            rule="!has(self.baseURL) || self.baseURL.startsWith('https://')"
            " || !(has(self.serverName) || has(self.caBundle))",
            message="serverName and caBundle are of TLS: baseURL must begin with https://",
            field_path=".baseURL",
        ),
    )

    provider: Provider
    """Whose API it is. It decides which header has the key, and which paths are served."""
    base_url: Annotated[BaseURL | None, Field(alias="baseURL")] = None
    """Address of the API up to `/chat/completions`, as for OpenAI's SDK; its path replaces the
    client's `/v1`. Absent means the provider's own:
    `https://api.openai.com/v1`, `https://api.anthropic.com/v1`,
    `https://api.fireworks.ai/inference/v1`."""
    credential_secret_ref: SecretKeyReference | None = None
    """The key. The router's service account must be allowed to read this Secret; the operator never
    does."""
    organization: (
        Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-\w]+$")] | None
    ) = None
    """OpenAI's organization that pays (`OpenAI-Organization`)."""
    # A default would be stored in every pool, and the release before could read none of them.
    prompt_caching: PromptCaching | None = None
    """Marks for Anthropic's prompt cache (`cache_control`), in requests of its messages; absent
    means that clients set them."""
    server_name: ServerName | None = None
    """Name in the server's certificate, also sent as SNI; absent means the host of `baseURL`."""
    ca_bundle: CertificateBundle | None = None
    """Authorities that sign it, in PEM; absent means those that the router's image trusts."""
    address_family: Literal["Any", "IPv4", "IPv6"] = "Any"
    """Addresses of the host that are used; Any means IPv4, and IPv6 where it has none."""


class ExistingCredential(SecretKeyReference):
    """A key that replicas ask for."""

    header: HeaderName | None = None
    """Header that carries the key as it is; absent means `Authorization: Bearer`."""
