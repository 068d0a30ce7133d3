"""The one error a user of the cluster sees."""

from __future__ import annotations


class ClusterError(Exception):
    """Something a person can fix; the message is one sentence that says how."""
