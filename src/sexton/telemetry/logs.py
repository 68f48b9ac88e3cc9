"""One JSON line when a run starts, one when it ends: for log collectors, and for people with `grep`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..clock import iso
from ..console import say_while_read
from ..runs.outcome import Outcome
from ..slots.claim import Claim
from ..texts import json_text

if TYPE_CHECKING:
    from ..requests.ending import EndedRequest


def started(claim: Claim) -> str:
    """The line of a run that has been claimed."""
    return _line(
        event="run started",
        job=claim.job,
        run=claim.run_id,
        slot=iso(claim.slot) if claim.slot else None,
        attempt=claim.attempt,
        as_of=iso(claim.as_of),
        note=f"settings differ from those of run {claim.differs_from}" if claim.differs_from else None,
    )


def ended(outcome: Outcome, seconds: float) -> str:
    """The line of a run that has ended, however it did. seconds: by the monotonic clock."""
    whole = outcome.total
    return _line(
        event="run ended",
        job=outcome.job,
        run=outcome.run_id,
        state=outcome.state,
        seconds=round(seconds, 3),
        picked=whole.picked,
        changed=whole.changed,
        told=whole.told,
        skipped=whole.skipped or None,
        poison=whole.poison or None,
        kept=whole.kept or None,
        referred=whole.referred or None,
        told_before=whole.told_before or None,
        error=outcome.error,
        note=outcome.note,
        outcome_code=outcome.code,
        raised_at=outcome.failure.place if outcome.failure else None,
        traceback=outcome.failure.traceback if outcome.failure else None,
    )


def request_ended(one: EndedRequest) -> str:
    """The line of an attempt at a request."""
    again = one.again.total_seconds() if one.again is not None else None
    return _line(
        event="request ended",
        job=one.request.job,
        request=one.request.id,
        attempt=one.request.attempt,
        state=one.ending.state,
        seconds=round(one.seconds, 3),
        error=one.ending.error,
        outcome_code=one.ending.code,
        raised_at=one.traceback[0] if one.traceback else None,
        traceback=one.traceback[1] if one.traceback else None,
        again_in=round(again, 1) if again is not None else None,
        dead=one.reason if one.is_dead else None,
    )


def previewed(outcome: Outcome, seconds: float, *, samples: bool) -> str:
    """The line of a dry run, with the counts of each step; samples: with due rows, which are nothing for a log."""
    steps = {step: counts.as_json() for step, counts in outcome.steps.items()}
    shown = {step: asdict(sample) for step, sample in outcome.samples.items()} if samples else None
    line = {"job": outcome.job, "seconds": round(seconds, 3), "steps": steps, "samples": shown}
    return _line(event="dry run", **line, note=outcome.note, outcome_code=outcome.code)


def said(event: str, **fields: Any) -> str:
    """The line of anything else: a worker that begins to lead, an alert that could not be sent."""
    return _line(event=event, **fields)


def emit(*lines: str) -> None:
    """Write lines to standard output; a reader that went away (closed pipe, closed terminal) never ends a run."""
    say_while_read(*lines)


def _line(**fields: Any) -> str:
    kept = {name: value for name, value in fields.items() if value is not None}
    return json_text({"time": iso(datetime.now(UTC)), **kept})
