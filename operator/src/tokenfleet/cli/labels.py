"""Names that flags take, where they become names of the cluster: each is a DNS label."""

import re
from typing import Final

from tokenfleet.api.conventions import DNS_LABEL, DNS_LABEL_MAX

SHOWN: Final = 80
"""Characters of a wrong name that a message repeats."""


def label(flag: str, name: str) -> str:
    """Return a name that may be one of a namespace, a ModelRouter or a Lease.

    Raises:
        ValueError: it is none; the message names the flag and says what is allowed.
    """
    if len(name) <= DNS_LABEL_MAX and re.fullmatch(DNS_LABEL, name):
        return name
    msg = (
        f"{flag} must be 1 to {DNS_LABEL_MAX} small letters, digits and dashes, with a letter or"
        f" digit at both ends, such as team-a, not {name[:SHOWN]!r}"
    )
    raise ValueError(msg)
