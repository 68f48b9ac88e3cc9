"""Who is called, and whether it may be called now: one row for each, and nobody loses an attempt to one that is down.

All functions take the caller's transaction and commit nothing. Rows are locked in the order of their names; call each
at most once in a transaction, after the rows of the product have been locked. Times are the database's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from functools import cache, partial, reduce
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, Executable, or_, select, true, update

from ..db.tables import own_tables
from ..db.upsert import upsert
from .health import CallReport, DestinationHealth, HealthChange, after, changed, with_probe, without_rest

_COLUMNS = tuple(field.name for field in fields(DestinationHealth))

Alteration = Callable[[DestinationHealth], DestinationHealth]


def available(connection: Connection, names: Collection[str], at: datetime, most: int) -> dict[str, int]:
    """Calls that may begin to each now; take off what this process has under way. Only reads, and waits for nobody.

    `most`, when it works; 0 while it rests or is disabled; 1 when a probe is due: only whoever gets it by
    `take_probe` may call; after a rest 1, 2, 4, then `most`.
    """
    known = health_of(connection, names)
    return {name: known.get(name, DestinationHealth()).room(at, most) for name in names}


def probes_due(connection: Connection, names: Collection[str], at: datetime) -> set[str]:
    """Those whose next call has to be a probe; the others need none."""
    known = health_of(connection, names).items()
    return {name for name, health in known if health.rest_until is not None and health.room(at, 1)}


def take_probe(connection: Connection, name: str, claim: str, until: datetime, at: datetime) -> bool:
    """Whether this claim is the one call that finds out whether it is back; exactly one claim gets True.

    until: end of the claim, a day ahead at most. The probe of a process that died is free from then on. Taken again
    by the same claim, it is prolonged. False as well when there is nothing to find out any more: look again.
    """
    _, now = _alter(connection, {name: partial(with_probe, claim=claim, until=until, at=at)})
    return now[name].probe == claim and now[name].rest_until is not None and now[name].probed_at(at)


def prolong_probe(connection: Connection, name: str, claim: str, until: datetime, at: datetime) -> None:
    """The call of this claim takes longer; nothing changes where it is no probe. until: as in `take_probe`."""

    def longer(health: DestinationHealth) -> DestinationHealth:
        return with_probe(health, claim, until, at) if health.probe == claim else health

    _alter(connection, {name: longer})


def give_back_probe(connection: Connection, name: str, claim: str) -> None:
    """The call was not made, or said nothing about the other side; somebody else may find out at once."""

    def free(health: DestinationHealth) -> DestinationHealth:
        return replace(health, probe=None, probe_until=None) if health.probe == claim else health

    _alter(connection, {name: free})


def record(connection: Connection, reports: Sequence[CallReport], at: datetime) -> dict[str, HealthChange]:
    """What calls said, in the order in which they ended; what changed, by name: BACK, when one had rested and answered.

    A probe that fails, whatever the kind, makes the rest twice as long. Calls that had begun before it rested are no
    further failures. Nothing is written or locked where one that works goes on working: one SELECT for all.
    """
    by_name: dict[str, list[CallReport]] = {}
    for report in reports:
        by_name.setdefault(report.destination, []).append(report)
    before, now = _alter(connection, {name: partial(_after_all, reports=of, at=at) for name, of in by_name.items()})
    changes = ((name, changed(before[name], now[name])) for name in by_name)
    return {name: change for name, change in changes if change is not None}


def reset(connection: Connection, settings: Mapping[str, str], at: datetime) -> set[str]:
    """Those that rest as something has to be changed first, and whose settings have been: their next call is a probe.

    settings: fingerprint of the settings in force, by name. Nothing is written where none has changed, so that each
    process may ask when it starts.
    """

    def probe_now(health: DestinationHealth, *, given: str) -> DestinationHealth:
        return health if health.lasting in (None, given) else replace(health, rest_until=at, lasting=None)

    before, now = _alter(connection, {name: partial(probe_now, given=given) for name, given in settings.items()})
    return {name for name in settings if before[name] != now[name]}


def pause(connection: Connection, name: str, by: str, reason: str, at: datetime) -> None:
    """A person stops all calls to it, until `resume`."""
    _alter(connection, {name: lambda health: replace(health, disabled_at=at, disabled_by=by, reason=reason)})


def resume(connection: Connection, name: str) -> bool:
    """A person ends a pause, a rest, what disabled it. One that had failed begins with one call at once.

    False when there was nothing to end.
    """

    def start(health: DestinationHealth) -> DestinationHealth:
        return health if health.disabled_at is None and health.rest_until is None else without_rest(health)

    before, now = _alter(connection, {name: start})
    return before[name] != now[name]


def health_of(connection: Connection, names: Collection[str]) -> dict[str, DestinationHealth]:
    """Those that are known, by name. Only reads."""
    name = own_tables(connection.dialect.name).destinations.c.name
    return _read(connection, name.in_(names)) if names else {}


def listing(connection: Connection) -> dict[str, DestinationHealth]:
    """All that are known, sorted by name: `since`, `reason`, `rest_until`. Only reads."""
    return _read(connection, true())


def unwell(connection: Connection) -> dict[str, DestinationHealth]:
    """Those that rest or are disabled, sorted by name. Only reads."""
    columns = own_tables(connection.dialect.name).destinations.c
    return _read(connection, or_(columns.rest_until.is_not(None), columns.disabled_at.is_not(None)))


def _after_all(health: DestinationHealth, reports: Iterable[CallReport], at: datetime) -> DestinationHealth:
    return reduce(lambda health, report: after(health, report, at), reports, health)


def _alter(
    connection: Connection, alterations: Mapping[str, Alteration]
) -> tuple[dict[str, DestinationHealth], dict[str, DestinationHealth]]:
    """Each before and after; rows are locked and written only where a look without a lock says that it changes."""
    seen = health_of(connection, alterations)
    before = {name: seen.get(name, DestinationHealth()) for name in alterations}
    names = sorted(name for name in alterations if alterations[name](before[name]) != before[name])
    if names:
        before |= _locked(connection, names)
    now = {name: alter(before[name]) for name, alter in alterations.items()}
    for name in names:
        _write(connection, name, before[name], now[name])
    return before, now


def _read(connection: Connection, which: ColumnElement[bool]) -> dict[str, DestinationHealth]:
    table = own_tables(connection.dialect.name).destinations
    return _typed(connection.execute(select(table).where(which).order_by(table.c.name)))


def _locked(connection: Connection, names: Sequence[str]) -> dict[str, DestinationHealth]:
    """Those rows, locked; one that is not there is made. In one statement: nobody can purge it in between."""
    found: dict[str, DestinationHealth] = {}
    for name in names:
        found |= _typed(
            connection.execute(_lock(connection.dialect.name), {"name": name, "rests": 0, "failed_subjects": []})
        )
    return found


@cache
def _lock(dialect: str) -> Executable:
    table = own_tables(dialect).destinations
    new = upsert(dialect, table)
    return new.on_conflict_do_update(index_elements=[table.c.name], set_={"name": table.c.name}).returning(*table.c)


def _typed(rows: CursorResult[Any]) -> dict[str, DestinationHealth]:
    return {
        row["name"]: DestinationHealth(**{column: _value(column, row[column]) for column in _COLUMNS})
        for row in rows.mappings()
    }


def _value(column: str, stored: Any) -> Any:
    if column != "failed_subjects":
        return stored
    return tuple(map(str, stored)) if isinstance(stored, list) else ()


def _write(connection: Connection, name: str, before: DestinationHealth, now: DestinationHealth) -> None:
    table = own_tables(connection.dialect.name).destinations
    pairs = ((column, getattr(before, column), getattr(now, column)) for column in _COLUMNS)
    values = {column: new for column, old, new in pairs if old != new}
    if values:
        connection.execute(update(table).where(table.c.name == name).values(values))
