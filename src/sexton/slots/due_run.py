"""One run that is to be started, as a value: what every engine hands on, in this process or as JSON to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from ..errors import SextonError

MOST_MISSED = 2**31 - 1
"""Slots that a run may stand for, as the column holds them."""

HIGHEST_NUMBER = 2**63 - 1
"""Highest number of a run row."""


@dataclass(frozen=True, slots=True)
class DueRun:
    """One run to start: of which job, and for what.

    job: its name; whoever executes it looks it up in his own registry.
    slot: for which it runs, in UTC; None for a run by hand, or one that somebody asked for.
    as_of: the run's time; None, the default, asks the database when it is claimed.
    missed: earlier slots that this run stands for.  queued: number of the run row that waits for it: somebody
    asked for it, or, with a slot, an engine was given it.
    local_slot: local time and zone of the slot by the rules of its day, see `Schedule.local_slot`.
    """

    job: str
    slot: datetime | None = None
    as_of: datetime | None = None
    missed: int = 0
    queued: int | None = None
    local_slot: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON; instants in ISO 8601."""
        return {
            "job": self.job,
            "slot": self.slot and self.slot.isoformat(),
            "as_of": self.as_of and self.as_of.isoformat(),
            "missed": self.missed,
            "queued": self.queued,
            "local_slot": self.local_slot,
        }

    @classmethod
    def from_json(cls, value: object) -> DueRun:
        """Read what `to_json` gave. SextonError for anything else: it came from another process, or another version."""
        if not isinstance(value, Mapping) or set(value) != set(_RIGHT):
            raise SextonError(f"a due run is an object of {', '.join(_RIGHT)}")
        for name, (right, wanted) in _RIGHT.items():
            if not right(value[name]):
                raise SextonError(f"a due run: {name} must be {wanted}")
        return cls(**{**value, "slot": _read(value["slot"]), "as_of": _read(value["as_of"])})


def _read(instant: str | None) -> datetime | None:
    return None if instant is None else datetime.fromisoformat(instant)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_instant(value: object) -> bool:
    try:
        return value is None or (isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None)
    except ValueError:
        return False


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_number(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


_INSTANT = "null, or an instant with its offset"
_RIGHT: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "job": (_is_name, "the name of a job"),
    "slot": (_is_instant, _INSTANT),
    "as_of": (_is_instant, _INSTANT),
    "missed": (lambda value: _is_number(value, 0, MOST_MISSED), "a whole number from 0"),
    "queued": (lambda value: value is None or _is_number(value, 1, HIGHEST_NUMBER), "null, or the number of a run"),
    "local_slot": (_is_text, "null, or text"),
}
assert set(_RIGHT) == {field.name for field in fields(DueRun)}
