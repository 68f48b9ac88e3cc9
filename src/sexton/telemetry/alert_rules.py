"""The rules by which something is wrong with a job. Pure: evidence in, signs out; who is told is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from statistics import median

from ..config.alert_settings import AlertSettings
from ..jobs.duration import MAX_DURATION, duration_in_words, parse_duration
from ..jobs.job import Job
from ..masking import scrubbed
from ..run_state import FAILURES, PROCESS_ENDED, OutcomeCode, RunState
from ..slots.attempts import PROMPT_RETRIES
from ..slots.history import RunRecord
from .lateness import Lateness
from .run_evidence import LAST, Evidence

ENOUGH_RUNS = 10
"""Runs before a share or a habit means anything."""

RUNS_FOR_DURATION = 20
"""Successes whose median is the habit."""

DRIFTED_DAY = timedelta(days=1)
"""How long an incident about sums goes on, as each run looks at another window."""

MIN_NOTABLE_SECONDS = 30.0
"""Seconds by which a run must differ from its habit."""

TIMEOUT_GRACE = timedelta(minutes=1)
"""How long past its timeout a run may be seen running: ending it takes a moment."""


Unloaded = Mapping[str, object]
"""Where jobs would come from that could not be loaded (a module, a pack, a policy), and why."""

NONE_UNLOADED: Unloaded = {}

_ONE_WAY = {RunState.ABANDONED: "crashed", RunState.TIMED_OUT: "passed its timeout"}
"""What is said of runs that all ended in one of these states."""


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """Something is wrong. text: one line, begins with the job.  since: when it began.  run: the one to look at."""

    kind: str
    text: str
    since: datetime
    error: str | None = None
    run: int | None = None


def rule_matches(job: Job, evidence: Evidence, settings: AlertSettings) -> Iterator[RuleMatch]:
    """All that is wrong with the job, but for its effect, which needs more reading."""
    found = [
        stopped(job, evidence),
        broken(job, evidence),
        failing(job, evidence, settings.after_failures),
        interrupted(job, evidence),
        drifted(job, evidence),
        failure_rate(job, evidence, settings),
        late(job, evidence.lateness),
        duration(job, evidence, settings),
    ]
    yield from (sign for sign in found if sign is not None)


def unloaded(source: str, why: object, now: datetime) -> RuleMatch:
    """Jobs cannot be loaded: none of them runs until that is mended."""
    return RuleMatch("unloaded", f"{source} cannot be loaded, so its jobs do not run", now, _in_short(str(why)))


def failing(job: Job, evidence: Evidence, after: int) -> RuleMatch | None:
    """The last `after` runs failed, timed out or died (P12: a job that kills its process each time)."""
    streak = list(takewhile(lambda run: run.state in FAILURES, evidence.recent))
    if len(streak) < after:
        return None
    often = f"{len(streak)} times in a row" if len(streak) > 1 else "at its last run"
    if len(streak) >= LAST:
        often = f"at least {often}"
    states = {run.state for run in streak}
    what = _ONE_WAY.get(states.pop()) if len(states) == 1 else None
    last = streak[0]
    crashed = "its process died" if last.state == RunState.ABANDONED else None
    return RuleMatch(
        "failing", f"{job.name} {what or 'failed'} {often}", streak[-1].started_at, _error(last, crashed), last.id
    )


def stopped(job: Job, evidence: Evidence) -> RuleMatch | None:
    """Its last run stopped before its first row, as it would have taken far too many; a person has to look."""
    last = next((run for run in evidence.recent if run.state != RunState.CANCELLED), None)
    if last is None or last.outcome_code != OutcomeCode.STOPPED_BY_GUARD:
        return None
    text = f"{job.name} stopped before its first row, and will until somebody has looked"
    return RuleMatch("stopped", text, last.started_at, _error(last), last.id)


def broken(job: Job, evidence: Evidence) -> RuleMatch | None:
    """Its last run could not begin, or took its process down: that is never right, and told at once (REP-1, REP-2)."""
    last = next((run for run in evidence.recent if run.state != RunState.CANCELLED), None)
    if last is None or last.state == RunState.ABANDONED:  # nobody knows how its process ended; see `failing`
        return None
    if last.outcome_code == OutcomeCode.COULD_NOT_BEGIN:
        return RuleMatch("broken", f"{job.name} cannot begin", last.started_at, _error(last), last.id)
    if last.outcome_code in PROCESS_ENDED:
        return RuleMatch("broken", f"{job.name} took its process down", last.started_at, _error(last), last.id)
    return None


def interrupted(job: Job, evidence: Evidence) -> RuleMatch | None:
    """Its attempts are cut off again and again by what happens around it; from now on there are rests between them."""
    last = evidence.cut_off
    times = last.infrastructure_failures + 1 if last is not None else 0
    if last is None or times <= PROMPT_RETRIES:
        return None
    text = f"{job.name} was cut off {times} times by no fault of its own, and is tried again"
    return RuleMatch("interrupted", text, last.started_at, _error(last), last.id)


def drifted(job: Job, evidence: Evidence) -> RuleMatch | None:
    """Within a day a run found that an old window of a roll-up holds other sums than its rows come to."""
    since = evidence.now - DRIFTED_DAY
    found = [run for run in evidence.recent if run.outcome_code == OutcomeCode.DRIFTED and run.started_at > since]
    if not found:
        return None
    text = f"{job.name} has sums of an old window that are not what its rows come to"
    return RuleMatch("drifted", text, found[-1].started_at, _in_short(found[0].note or ""), found[0].id)


def failure_rate(job: Job, evidence: Evidence, settings: AlertSettings) -> RuleMatch | None:
    """Too large a share of the runs in the window failed."""
    failed, ended = evidence.failed, evidence.ended
    if not settings.failure_rate or ended < ENOUGH_RUNS or failed < settings.failure_rate * ended:
        return None
    last = next((run for run in evidence.recent if run.state in FAILURES), None)
    since = evidence.now - parse_duration(settings.window)
    text = f"{job.name} failed in {failed} of its {ended} runs of the last {settings.window}"
    return RuleMatch("failure_rate", text, since, _error(last), last.id if last else None)


def late(job: Job, lateness: Lateness) -> RuleMatch | None:
    """A slot passed, and neither it nor a later one was run."""
    if not lateness.too_late or lateness.slot is None:
        return None
    text = f"{job.name} is late: its slot of {instant_text(lateness.slot)} was not run, nor any after it"
    return RuleMatch("late", text, lateness.slot)


def duration(job: Job, evidence: Evidence, settings: AlertSettings) -> RuleMatch | None:
    """The run in progress, or else the last success, takes longer or shorter than its own habit."""
    successes = [run for run in evidence.recent if run.state == RunState.SUCCEEDED]
    running = evidence.running
    if running is not None:
        took = evidence.now - running.started_at
        if took > job.time_limit + TIMEOUT_GRACE:
            text = f"{job.name} has been running for {length_text(took)}, past its timeout of {job.timeout}"
            return RuleMatch("duration", text, running.started_at, None, running.id)
        habit = _habit(successes)
        if habit is not None and _beyond(took.total_seconds(), habit, settings.slow_factor):
            usual = length_text(timedelta(seconds=habit))
            text = f"{job.name} has been running for {length_text(took)}; its habit is {usual}"
            return RuleMatch("duration", text, running.started_at, None, running.id)
    habit = _habit(successes[1:])
    if habit is None:
        return None
    last, seconds = successes[0], successes[0].seconds or 0.0
    slow, fast = (_beyond(seconds, habit, settings.slow_factor), _beyond(habit, seconds, settings.fast_factor))
    if not slow and not fast:
        return None
    how = "long" if slow else "short"
    lengths = length_text(timedelta(seconds=seconds)), length_text(timedelta(seconds=habit))
    text = f"{job.name} took unusually {how}: {lengths[0]}; its habit is {lengths[1]}"
    return RuleMatch("duration", text, last.started_at, None, last.id)


def may_be_silent(evidence: Evidence, days: int) -> bool:
    """Whether the recent runs leave room for "no effect for days": some went well, and none of them did anything."""
    since = evidence.now - timedelta(days=days)
    good = [run for run in evidence.recent if run.state not in FAILURES and run.started_at > since]
    return bool(days and good) and not any(run.total.changed or run.total.told for run in good)


def silent(job: Job, evidence: Evidence, days: int) -> RuleMatch:
    """It ran well and changed and told nothing for days, which is not its habit."""
    text = f"{job.name} has changed and told nothing for {days} days, though it did on most days before"
    return RuleMatch("effect", text, evidence.now - timedelta(days=days))


def instant_text(instant: datetime) -> str:
    """An instant for people."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def length_text(delta: timedelta) -> str:
    """A length of time for people: seconds up to two minutes, minutes up to two days, then hours.

    One that is no length, as a clock went back meanwhile, is 0 seconds; one beyond all that settings take is cut."""
    seconds = min(max(delta, timedelta()), MAX_DURATION).total_seconds()
    unit = 1 if seconds < 120 else 60 if seconds < 2 * 86_400 else 3600
    return duration_in_words(timedelta(seconds=round(seconds / unit) * unit))


def _habit(successes: list[RunRecord]) -> float | None:
    """Seconds that a run usually takes; None when there are too few to say."""
    seconds = [run.seconds for run in successes[:RUNS_FOR_DURATION] if run.seconds is not None]
    return median(seconds) if len(seconds) >= ENOUGH_RUNS else None


def _beyond(value: float, other: float, factor: float) -> bool:
    return factor > 0 and value > other * factor and value - other > MIN_NOTABLE_SECONDS


def _error(run: RunRecord | None, instead: str | None = None) -> str | None:
    if run is None:
        return None
    return _in_short(instead or run.error or run.state.replace("_", " "))


def _in_short(text: str) -> str:
    return scrubbed(" ".join(text.split()))[:300]
