"""Names that flags take, where they become names of the cluster: each is a DNS label."""

from typing import Final

from tokenfleet.api.names import DNS_LABEL_MAX, DNS_LABEL_WORDS, is_dns_label

SHOWN: Final = 80
"""Characters of a wrong name that a message repeats."""


def label(flag: str, name: str) -> str:
    """Return a name that may be one of a namespace, a ModelRouter or a Lease.

    Raises:
        ValueError: it is none; the message names the flag and says what is allowed.
    """
    if is_dns_label(name):
        return name
    msg = (
        f"{flag} must be 1 to {DNS_LABEL_MAX} {DNS_LABEL_WORDS}, such as team-a,"
        f" not {name[:SHOWN]!r}"
    )
    raise ValueError(msg)
