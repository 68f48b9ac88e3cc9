"""How somebody who is called is doing, and what an answer changes about it: values only, no database.

works ──down, or three rows in sequence──> rests ──its time is over──> a probe ──it went well──> comes back ──> works
                                             ^                            └── it failed: twice as long ──┐
                                             └───────────────────────────────────────────────────────────┘

disabled: a person paused it, or it said that it is there no more; only a person ends that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite

from ..policies.call_rule import MOST_ASKED_FOR

REST_AT_FIRST = timedelta(seconds=30)
"""The first rest of one that is down; each further one in a row is twice as long."""

REST_AT_MOST = timedelta(minutes=15)
"""No rest is longer, unless the other side asked for more, or it is lasting."""

LASTING_REST = timedelta(days=1)
"""Rest of one that refuses our credentials: one probe a day, as more would lock us out (G5)."""

ROWS_IN_SEQUENCE = 3
"""So many different rows in sequence, with nothing that went well between them, and it is not the rows."""

SUCCESSES_TO_TRUST = 8
"""Successes since a rest, the probe among them, after which it gets as many calls at once as ever: 1, 2, 2, 4 …"""

LONGEST_PROBE = timedelta(days=1)
"""A probe that ends further ahead was claimed by a clock that has been set back since: it is void."""

SUCCESS_IS_WRITTEN = timedelta(minutes=1)
"""How old `last_ok_at` gets before it is written again: a row written with each success would queue all calls."""


class FailureKind(StrEnum):
    """What a failed call says about the one who was called."""

    ROW = "row"
    """Perhaps nothing: 5xx, a timeout. Three different rows in sequence say that it is down."""
    DOWN = "down"
    """It cannot be reached, or asks for a rest: refused, DNS, TLS, 429, 503 with Retry-After."""
    LASTING = "lasting"
    """No use before something is changed: 401, 403."""


class HealthChange(StrEnum):
    """What was not so before: an incident opens, or ends."""

    RESTS = "rests"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class CallReport:
    """What one finished call says about whoever was called. failure: None, when it went well.

    An answer that concerns the row only, such as a 404 or 422, went well: somebody answered.
    subject: the row.  why: one line without secrets.  asked: seconds of rest that the other side wants, at most a day
    counts.  settings: fingerprint of those that a lasting failure was made with, see `destinations.reset`.
    """

    destination: str
    subject: str
    failure: FailureKind | None = None
    why: str = ""
    asked: float | None = None
    settings: str = ""


@dataclass(frozen=True, slots=True)
class DestinationHealth:
    """A row of `destinations`; see the comments of its columns. The default is one that has never been called."""

    rest_until: datetime | None = None
    rests: int = 0
    lasting: str | None = None
    probe: str | None = None
    probe_until: datetime | None = None
    since_rest: int | None = None
    failed_subjects: tuple[str, ...] = ()
    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_ok_at: datetime | None = None
    disabled_at: datetime | None = None
    disabled_by: str | None = None
    reason: str | None = None

    def rests_at(self, at: datetime) -> bool:
        """Whether nobody calls it yet. A rest further ahead than any lasts is of a clock that has been set back."""
        return self.rest_until is not None and at < self.rest_until <= at + MOST_ASKED_FOR + REST_AT_MOST

    def probed_at(self, at: datetime) -> bool:
        """Whether the one call that finds out is under way; a claim that is over keeps nobody out."""
        return self.probe_until is not None and at < self.probe_until <= at + LONGEST_PROBE + REST_AT_MOST

    def room(self, at: datetime, most: int) -> int:
        """Calls that may begin now: 0, 1 where a probe is due, at most `most`."""
        if self.disabled_at is not None or self.rests_at(at):
            return 0
        if self.rest_until is not None:
            return 0 if self.probed_at(at) else min(1, most)
        if self.since_rest is None:
            return most
        return min(1 << max(self.since_rest, 1).bit_length() - 1, most)

    @property
    def since(self) -> datetime | None:
        """Since when it has not worked, or been disabled; None: it works."""
        return self.disabled_at or self.first_failed_at


def after(health: DestinationHealth, report: CallReport, at: datetime) -> DestinationHealth:
    """What it is once a call that ended at `at` is counted."""
    return _after_success(health, at) if report.failure is None else _after_failure(health, report, at)


def changed(before: DestinationHealth, now: DestinationHealth) -> HealthChange | None:
    """What others have to know."""
    if (before.rest_until is None) == (now.rest_until is None):
        return None
    return HealthChange.BACK if now.rest_until is None else HealthChange.RESTS


def with_probe(health: DestinationHealth, claim: str, until: datetime, at: datetime) -> DestinationHealth:
    """The same with this claim as its probe, if one is due; prolonged, if the probe is this claim already."""
    mine = health.probe == claim
    if health.disabled_at is not None or health.rest_until is None or health.rests_at(at):
        return health
    if health.probed_at(at) and not mine:
        return health
    return replace(health, probe=claim, probe_until=min(until, at + LONGEST_PROBE))


def without_rest(health: DestinationHealth) -> DestinationHealth:
    """Neither at rest nor disabled: it begins with one call at once if it had failed."""
    shaken = health.rest_until is not None or health.first_failed_at is not None
    return DestinationHealth(
        since_rest=1 if shaken else health.since_rest,
        last_failed_at=health.last_failed_at,
        last_ok_at=health.last_ok_at,
    )


def _after_success(health: DestinationHealth, at: datetime) -> DestinationHealth:
    noted = health.last_ok_at is not None and abs(at - health.last_ok_at) < SUCCESS_IS_WRITTEN
    seen = health if noted else replace(health, last_ok_at=at)
    if health.first_failed_at is None and health.since_rest is None and health.rest_until is None:
        return seen  # as most of them do
    if health.disabled_at is not None or health.rests_at(at):
        return seen  # it had begun before: whoever asked for a rest gets it all the same
    works = replace(seen, failed_subjects=(), first_failed_at=None)
    if health.rest_until is not None:
        ended = replace(works, rest_until=None, lasting=None, probe=None, probe_until=None, reason=None)
        return replace(ended, since_rest=1, last_ok_at=at)
    if health.since_rest is None:
        return works
    successes = health.since_rest + 1
    if successes >= SUCCESSES_TO_TRUST:
        return replace(works, since_rest=None, rests=0)
    return replace(works, since_rest=successes)


def _after_failure(health: DestinationHealth, report: CallReport, at: datetime) -> DestinationHealth:
    failed = replace(health, first_failed_at=health.first_failed_at or at, last_failed_at=at)
    if health.disabled_at is not None:
        return failed
    if health.rests_at(at):
        return _longer(failed, report, at)  # begun before it rested: no second failure of it
    if health.rest_until is None and report.failure is FailureKind.ROW:
        subjects = tuple(dict.fromkeys((*health.failed_subjects, report.subject)))
        if len(subjects) < ROWS_IN_SEQUENCE:
            return replace(failed, failed_subjects=subjects)
    in_a_row = health.rest_until is not None or _lately(health, at)
    rests = health.rests + 1 if in_a_row else 1
    return replace(
        failed,
        rest_until=at + max(_rest(rests), _asked(report)),
        rests=rests,
        lasting=report.settings if report.failure is FailureKind.LASTING else None,
        probe=None,
        probe_until=None,
        since_rest=None,
        failed_subjects=(),
        reason=report.why,
    )


def _lately(health: DestinationHealth, at: datetime) -> bool:
    """Whether it has failed so shortly ago that a new rest is one more in a row."""
    return health.last_failed_at is not None and at - health.last_failed_at < REST_AT_MOST


def _longer(health: DestinationHealth, report: CallReport, at: datetime) -> DestinationHealth:
    """A rest under way: an answer that comes now may ask for a longer one."""
    until = at + _asked(report)
    if health.rest_until is None or until <= health.rest_until:
        return health
    lasting = report.settings if report.failure is FailureKind.LASTING else health.lasting
    return replace(health, rest_until=until, lasting=lasting, reason=report.why)


def _rest(rests: int) -> timedelta:
    return min(REST_AT_FIRST * (1 << min(max(rests - 1, 0), 16)), REST_AT_MOST)


def _asked(report: CallReport) -> timedelta:
    """What the answer asks for, within a cap (G6)."""
    if report.failure is FailureKind.LASTING:
        return LASTING_REST
    seconds = report.asked or 0.0
    if not isfinite(seconds):
        return timedelta(0) if seconds != float("inf") else MOST_ASKED_FOR
    return timedelta(seconds=min(max(seconds, 0.0), MOST_ASKED_FOR.total_seconds()))
