"""`tokenfleet` with a Lease that a busy machine cannot cost it: a figure must not depend on that."""

import sys

from tokenfleet.cli.main import main
from tokenfleet.handlers import election

election.RENEW_DEADLINE = 3600.0  # type: ignore[misc]
election.LEASE_DURATION = 3600.0  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(main())
