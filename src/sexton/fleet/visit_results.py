"""How a database of the fleet was found: in which condition, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify, describe
from ..errors import DatabaseUnreachable, HeldElsewhere, SextonError, TimedOut
from ..exit_codes import DONE, FAILED, PARTIAL, UNREACHABLE
from ..runs.failure import error_message
from .connecting import reason_of
from .database import FleetDatabase
from .identity import IdentityDiffers
from .results import Contact


class Condition(StrEnum):
    """What a visit found, or made of it. Behind: its tables are older than this package, or locked by others; nothing
    is wrong. Drift: what is installed in PostgreSQL is not what the settings want.
    """

    READY = "ready"
    MIGRATED = "migrated"
    INSTALLED = "installed"
    REMOVED = "removed"
    DRIFT = "drift"
    BEHIND = "behind"
    DIFFERS = "differs"
    REFUSES = "refuses"
    UNREACHABLE = "unreachable"
    NOT_TRIED = "not tried"


WELL_CONDITIONS = (Condition.READY, Condition.MIGRATED, Condition.INSTALLED, Condition.REMOVED)


@dataclass(frozen=True, slots=True)
class VisitResult:
    """reason: equal for equal reasons, without names.  text: the whole of it.  layout: of `used_tables`.

    revision: of Sexton's own tables; None where it is not known, or there are none.  contact: how far the visit came.
    """

    database: FleetDatabase
    condition: Condition
    reason: str = ""
    text: str = ""
    revision: str | None = None
    layout: Mapping[str, str] = field(default_factory=dict)
    contact: Contact = Contact.MADE


def result_of(database: FleetDatabase, error: Exception) -> VisitResult:
    """What an error says of a database, whatever it is: it stands in the way of this one alone."""
    if isinstance(error, DBAPIError):
        words = describe(error)
        gone = classify(error) is Fault.GONE
        return VisitResult(database, Condition.UNREACHABLE if gone else Condition.REFUSES, words, words)
    if not isinstance(error, SextonError):
        words = error_message(error)
        return VisitResult(database, Condition.REFUSES, words, words)
    return VisitResult(database, _condition(error), reason_of(error), str(error))


def _condition(error: SextonError) -> Condition:
    if isinstance(error, DatabaseUnreachable | TimedOut):
        return Condition.UNREACHABLE
    if isinstance(error, IdentityDiffers):
        return Condition.DIFFERS
    return Condition.BEHIND if isinstance(error, HeldElsewhere) else Condition.REFUSES


def exit_code_of(conditions: Collection[Condition], *, stopped: bool = False) -> int:
    """0: all are well, or there are none.  3: some are.  1: none is, or it was stopped.  69: none was reached."""
    if stopped:
        return FAILED
    if all(condition in WELL_CONDITIONS for condition in conditions):
        return DONE
    if all(condition is Condition.UNREACHABLE for condition in conditions):
        return UNREACHABLE
    return PARTIAL if any(condition in WELL_CONDITIONS for condition in conditions) else FAILED


def by_reason(results: Iterable[VisitResult]) -> list[tuple[Condition, str, list[str]]]:
    """Condition, reason and names of what is not well, the most frequent first."""
    found: dict[tuple[Condition, str], list[str]] = {}
    for result in results:
        if result.condition not in WELL_CONDITIONS:
            found.setdefault((result.condition, result.reason), []).append(result.database.name)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(condition, reason, sorted(names)) for (condition, reason), names in ordered]
