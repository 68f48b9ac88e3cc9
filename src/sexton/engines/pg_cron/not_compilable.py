"""What is raised for a job that PostgreSQL cannot run by itself."""

from __future__ import annotations

from ...errors import PolicyError


class NotCompilable(PolicyError):
    """A job that cannot run inside PostgreSQL: its name and the reason."""
