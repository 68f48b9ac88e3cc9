"""Sessions whose time is up go, counted; all others stay (T4.1 to T4.5)."""

from __future__ import annotations

from tests.support.billing import Billing
from tests.support.market import later

FOUR = "2026-06-15 01:00"
"""04:00 in Israel."""


def test_t4_2_sessions_past_their_time_are_deleted_and_counted(desk: Billing) -> None:
    """T4.2, T4.3, T4.4, T4.5, T6.4: before the run's time, not at it; twice changes nothing."""
    desk.session("old", expires=later(FOUR, days=-9))
    desk.session("just", expires=later(FOUR, microseconds=-1))
    desk.session("now", expires=FOUR)
    desk.session("good", expires=later(FOUR, hours=1))

    predicted = desk.preview("sessions", at=FOUR)
    run = desk.run("sessions", at=FOUR)
    again = desk.run("sessions", at=FOUR)

    assert (run.state, run.total.changed, again.total.changed) == ("succeeded", 2, 0)
    assert predicted.steps == run.steps
    assert desk.ids(desk.own.sessions) == ["good", "now"]
