"""The form of most names in a cluster, for flags and documents as well as for API models.

The standard library alone: the router's agent reads its flags by this.
"""

import re
from typing import Final

DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""RFC 1123 label, the form of most names."""
DNS_LABEL_MAX: Final = 63
"""Characters of such a label."""
DNS_LABEL_WORDS: Final = "small letters, digits and dashes, with a letter or digit at both ends"
"""What it is, for whoever wrote another."""


def is_dns_label(name: str) -> bool:
    """Say whether a text is an RFC 1123 label."""
    return len(name) <= DNS_LABEL_MAX and re.fullmatch(DNS_LABEL, name) is not None
