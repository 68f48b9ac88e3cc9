"""When an endpoint of a stranger is disabled: at once where it says that it is gone, else after five days of failures.

A rule without tables: who records an attempt asks it, and keeps what it returns. Two mistakes of others are left out:
the clock starts at the first failure and is not moved by later ones, else it never ends; and a few failures of one bad
hour, or of an endpoint that is rarely called, are no five days.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

WITHOUT_SUCCESS = timedelta(days=5)
"""From the first failure to the end."""

APART = timedelta(hours=12)
"""Between the first failure and another one before the last: it has failed on and on, not once."""

ENDPOINT = "endpoint:"
"""How the name of every endpoint begins where its health is kept; no one else who is called has such a name."""

OWNER_TOLD_AFTER = timedelta(days=1)
"""From the first failure to the warning."""


class EndpointVerdict(StrEnum):
    """What has to be done. warn, disable: tell the owner, not through this endpoint."""

    NOTHING = "nothing"
    WARN = "warn"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """What is kept of an endpoint. first_failed_at: since the last success, set once.  All aware, UTC.

    To enable it again is to keep a new one.
    """

    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_ok_at: datetime | None = None
    disabled_at: datetime | None = None

    def succeeded(self, at: datetime) -> EndpointHealth:
        """After an attempt that was taken. One that ended before the last one changes nothing that came later."""
        if self.last_ok_at is not None and at <= self.last_ok_at:
            return self
        if self.last_failed_at is not None and at < self.last_failed_at:
            return replace(self, last_ok_at=at, first_failed_at=self.last_failed_at)
        return replace(self, last_ok_at=at, first_failed_at=None, last_failed_at=None)

    def failed(self, at: datetime, *, gone: bool = False) -> tuple[EndpointHealth, EndpointVerdict]:
        """After an attempt that came to its end and was not taken. gone: it answered 410.

        An attempt that was never made, or given back, does not count."""
        if self.disabled_at is not None or (self.last_ok_at is not None and at < self.last_ok_at):
            return self, EndpointVerdict.NOTHING
        first = self.first_failed_at or at
        last = max(self.last_failed_at or at, at)
        now = replace(self, first_failed_at=first, last_failed_at=last)
        if gone or (at - first >= WITHOUT_SUCCESS and (self.last_failed_at or first) - first >= APART):
            return replace(now, disabled_at=at), EndpointVerdict.DISABLE
        before = (self.last_failed_at or first) - first
        if before < OWNER_TOLD_AFTER <= last - first:
            return now, EndpointVerdict.WARN
        return now, EndpointVerdict.NOTHING


def endpoint_name(url: str) -> str:
    """What an endpoint is called where its health is kept: its address may be a secret, and a host may have many."""
    return f"{ENDPOINT}{hashlib.sha256(url.encode()).hexdigest()[:32]}"
