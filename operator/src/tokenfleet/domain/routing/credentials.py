"""Why a router has no key for a pool: the reasons that its agent tells."""

from typing import Final

MISSING: Final = "CredentialMissing"
"""The Secret, or the key in it, does not exist."""
FORBIDDEN: Final = "CredentialForbidden"
"""The router's service account may not read the Secret."""
UNUSABLE: Final = "CredentialUnusable"
"""The key holds what no header can carry."""
