"""What a worker does while its database does not answer: it rests, waits for ever, and after a minute tells people.

the loop: no answer ──> rests, 0.2 to 5 seconds, asks again; runs under way go on, each has a lease of its own
its second thread: a minute gone ──> says so through every channel, past the database; says so again when it is over
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from ...app import App
from ...channels.contract import Notice
from ...db.connect import place
from ...db.faults import in_words
from ...errors import DatabaseUnreachable
from ...telemetry.alert_delivery import broadcast, channels_of

STARTUP = 60.0
"""Seconds that a worker waits for its database when it starts; later it waits for ever."""

SILENT = 5.0
"""Seconds without a turn of the loop from which on the database counts as not answering."""

SILENCE = 60.0
"""Seconds without the database after which a worker says so, past everything that it keeps there."""

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 0.2, 5.0


class DatabaseOutage:
    """What the loop of a worker has seen of it. words: of the trouble there is; "": none.  rest_until: monotonic."""

    def __init__(self, say: Callable[..., None]) -> None:
        self.words = ""
        self.rest_until = 0.0
        self._say = say
        self._reached = False
        self._started = time.monotonic()
        self._since = 0.0
        self._rest = FIRST_REST_SECONDS

    def noticed(self, error: Exception) -> None:
        """Rest before it is asked again; said once for each kind of trouble in a row.

        DatabaseUnreachable when it has never been reached, a minute after the start.
        """
        if self.words != (words := in_words(error)):
            self.words = words
            self._say("database trouble", error=words)
        self._since = self._since or time.monotonic()
        self.rest_until = time.monotonic() + self._rest
        self._rest = min(self._rest * 2, LONGEST_REST_SECONDS)
        if not self._reached and time.monotonic() - self._started > STARTUP:
            raise DatabaseUnreachable(f"no database for {STARTUP:.0f} s: {words}") from error

    def answered(self) -> None:
        """A turn of the loop went through."""
        self._reached, self._since, self.words = True, 0.0, ""

    def worked(self) -> None:
        """A leader did all there was to do: the next rest is a short one again."""
        self._rest = FIRST_REST_SECONDS

    def seconds(self, idle: float) -> float:
        """For how long it could not be asked, or did not answer; 0 when it does. idle: since the loop last turned."""
        refused = time.monotonic() - self._since if self._since else 0.0
        return max(refused, idle if idle > SILENT else 0.0)  # the loop waits for nothing else for longer than a second


def tell_people(app: App, title: str, what: str, say: Callable[..., None]) -> None:
    """Tell all channels straight away: what we watch cannot carry the message."""
    where = place(app.database.url)
    key = f"alert:database:{secrets.token_hex(8)}"  # the database, which knows who we are, is away
    notice = Notice(key, title, f"{where} {what}", job="sexton", facts={}, command="sexton check")
    for channel, reason in broadcast(channels_of(app.settings), notice).items():
        if reason is not None:
            say("alert not sent", channel=channel, error=reason)
