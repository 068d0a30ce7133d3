"""Names that flags take, where they become names of the cluster: each is a DNS label."""

import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123)."""

SHOWN: Final = 80
"""Characters of a wrong name that a message repeats."""


def label(flag: str, name: str) -> str:
    """Return a name that may be one of a namespace, a ModelRouter or a Lease.

    Raises:
        ValueError: it is none; the message names the flag and says what is allowed.
    """
    if _LABEL.fullmatch(name):
        return name
    msg = (
        f"{flag} must be 1 to 63 small letters, digits and dashes, with a letter or digit at both"
        f" ends, such as team-a, not {name[:SHOWN]!r}"
    )
    raise ValueError(msg)
