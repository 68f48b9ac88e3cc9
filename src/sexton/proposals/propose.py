"""Policies for the tables of a database that Sexton has never seen: recognised, tried, counted. Nothing is written."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.exc import ArgumentError, DBAPIError, SAWarning

from ..config.policy_settings import LocatedPolicy
from ..db.connect import open_to_look, read_only
from ..db.faults import describe
from ..db.server_clock import ask_now
from ..declared.build import built
from ..declared.catalogue import Catalogue
from ..declared.policy_tables import read_policy
from ..errors import DatabaseUnreachable, PolicyError, SextonError
from ..policies.contract import Plan
from ..statements.batch_strategy import Request, parameters
from ..statements.selection import select_due
from .column_roles import roles_of
from .measure import DatabaseProbe, Measures, final_states, form_of, measure
from .recognise import VAGUE_LOOKS, Guess, SurveyedTable, recognise
from .survey import Survey, survey
from .weigh import Scales, Weighed

_FIRST, _STRIDE, _NIGHT = 62, 11, 180
"""Minutes after midnight of the first schedule, between two, and from the first to the last."""

_HOUSEKEEPING = (3, 37)
"""Hour and minute of Sexton's own job."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy that works here. settings: as `[policies.NAME]` has them.  reasons: what speaks for it.

    doubts: what a person has to decide before; none: nothing.
    """

    name: str
    looks: str
    settings: Mapping[str, object]
    doubts: tuple[str, ...]
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    measures: Measures


@dataclass(frozen=True, slots=True)
class Proposals:
    """What there is. tables: how many were looked at.  left_out: names of those for which none works, and why."""

    tables: int
    found: tuple[Proposal, ...]
    left_out: tuple[tuple[str, str], ...]


def propose(url: str) -> Proposals:
    """Look at the database, read-only. DatabaseUnreachable, SettingsError for the URL."""
    engine = open_to_look(url)
    try:
        with warnings.catch_warnings():
            # Of types and indexes that SQLAlchemy does not know; no policy uses them.
            warnings.simplefilter("ignore", SAWarning)
            return _looked_at(DatabaseProbe(engine))
    finally:
        engine.dispose()


def _looked_at(looker: DatabaseProbe) -> Proposals:
    with read_only(looker.engine) as connection:
        known = survey(connection)
    scales = Scales(known)
    looker.numbers = tuple(_numbers(known, looker.engine.dialect.name))
    found: list[Proposal] = []
    left_out: list[tuple[str, str]] = []
    for table in known.tables:
        looks, guesses = recognise(table, looker.engine.dialect.name)
        if looks is None:
            continue
        try:
            settled = _first_that_works(looker, scales, table, guesses)
        except PolicyError as error:
            left_out.append((table.written, f"looks like {looks}, but {error}"))
            continue
        found.append(_proposal(looker, table, settled, [proposal.name for proposal in found]))
    return Proposals(len(known.tables), tuple(_scheduled(sorted(found, key=_rank))), tuple(left_out))


def _numbers(known: Survey, dialect: str) -> Iterator[Column[Any]]:
    """Columns of whole numbers that are called like times."""
    for table in known.tables:
        whole = {name: kind for name, kind in table.columns.items() if isinstance(kind, Integer)}
        roles = roles_of(whole, dialect)
        for name in {*roles.deadlines, *roles.births, *roles.ends, *roles.used}:
            yield Table(table.name, MetaData(), Column(name, whole[name]), schema=table.schema).c[name]


def _rank(proposal: Proposal) -> tuple[bool, bool, int, int, str]:
    """Those without a question first, then those with the fewest; of these the ones with most to do."""
    vague = proposal.looks.startswith(VAGUE_LOOKS)
    return bool(proposal.doubts), vague, len(proposal.doubts), -(proposal.measures.due or 0), proposal.name


@dataclass(frozen=True, slots=True)
class _Settled:
    """A guess that the database accepts. weighed: what speaks for it and against it."""

    guess: Guess
    weighed: Weighed
    settings: Mapping[str, object]
    plan: Plan
    by: Column[Any]


def _first_that_works(looker: DatabaseProbe, scales: Scales, table: SurveyedTable, guesses: list[Guess]) -> _Settled:
    """PolicyError: why the first one does not."""
    first: SextonError = PolicyError("no column tells when a row has had its time")
    for number, guess in enumerate(guesses):
        try:
            return _settled(looker, scales, table, guess)
        except DatabaseUnreachable:
            raise
        except SextonError as error:
            first = error if number == 0 else first
        except DBAPIError as error:
            raise PolicyError(f"the database refuses to show it: {describe(error)}") from error
        except ArgumentError as error:  # a foreign key that fits no key, which SQLite lets stand
            raise PolicyError(f"its foreign keys cannot be read: {error}") from error
    raise PolicyError(" ".join(str(first).split()))


def _settled(looker: DatabaseProbe, scales: Scales, table: SurveyedTable, guess: Guess) -> _Settled:
    columns, key = _columns(looker, table)
    form, doubt = form_of(looker, columns[guess.by])
    doubts, only = [doubt] if doubt else [], dict(guess.only)
    if guess.status is not None:
        states, final = final_states(looker, columns[guess.status])
        only[guess.status] = states or ["done", "failed"]
        if not final and not guess.doubts:
            doubts.append(f"which values of {guess.status} say that a row is finished?")
    weighed = scales.weigh(table, replace(guess, doubts=(*guess.doubts, *doubts)), key)
    settings: dict[str, object] = {"purge": table.written, "by": guess.by, "keep": guess.keep, **form}
    settings |= {"only": only} if only else {}
    settings |= {"children": weighed.children} if weighed.children else {}
    settings |= {"unless_referenced_by": weighed.keepers} if weighed.keepers else {}
    plan = _tried(looker, settings)
    return _Settled(guess, weighed, settings, plan, plan.table.c[guess.by])


def _columns(looker: DatabaseProbe, table: SurveyedTable) -> tuple[Mapping[str, Column[Any]], tuple[str, ...]]:
    """Found by the name that the policy will have for the table; and the names of those that are its key."""
    with read_only(looker.engine) as connection:
        found = Catalogue(connection).table(table.written)
    if (found.schema, found.name) not in ((table.schema, table.name), (None, table.name)):
        raise PolicyError("its name is read as that of another table")
    return dict(found.c.items()), tuple(column.name for column in found.primary_key.columns)


def _tried(looker: DatabaseProbe, settings: Mapping[str, object]) -> Plan:
    """The plan of the policy, after the database has taken its predicate. PolicyError, DBAPIError."""
    read = read_policy(settings, ("policy",))
    with read_only(looker.engine) as connection:
        plan = built(Catalogue(connection), LocatedPolicy("proposed", read)).plan()
        none = select_due(plan, excluding=False).limit(0)
        connection.execute(none, parameters(none, Request(0, None, ask_now(connection), "proposed", None)))
    return plan


def _proposal(looker: DatabaseProbe, table: SurveyedTable, settled: _Settled, taken: list[str]) -> Proposal:
    guess, weighed, unit = settled.guess, settled.weighed, settled.settings.get("unit")
    return Proposal(
        name=_name(guess.adjective, table, taken),
        looks=f"{guess.looks}: {', '.join(dict.fromkeys([guess.by, *_only(settled)]))}",
        settings=settled.settings,
        doubts=weighed.doubts,
        reasons=weighed.reasons,
        remarks=(*([guess.remark] if guess.remark else []), *_failed(settled), *weighed.remarks),
        measures=measure(looker, settled.plan, settled.by, str(unit) if unit else None),
    )


def _only(settled: _Settled) -> Mapping[str, object]:
    only = settled.settings.get("only", {})
    return only if isinstance(only, Mapping) else {}


def _failed(settled: _Settled) -> list[str]:
    values = _only(settled).get(settled.guess.status or "")
    if isinstance(values, list) and any(str(value).lower() in ("failed", "dead") for value in values):
        return ["see that a failed one is not tried again after that time"]
    return []


def _name(adjective: str, table: SurveyedTable, taken: list[str]) -> str:
    """A policy's name: "expired_sessions", "old_audit_log" of schema audit; stable as long as the table's name is."""
    plain = _slug(table.name)
    schema = "" if table.home or table.schema is None else f"{_slug(table.schema)}_"
    name = f"{schema}{plain}" if plain.startswith(f"{adjective}_") else f"{adjective}_{schema}{plain}"
    name = name if name[:1].isalpha() else f"{adjective}_{name}"
    numbers = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbers if other not in taken)


def _slug(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    ascii_only = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_") or "table"


def _scheduled(proposals: list[Proposal]) -> Iterator[Proposal]:
    """Each with a time of the night of its own, as long as there are enough of them."""
    for number, proposal in enumerate(proposals):
        hour, minute = divmod(_FIRST + number * _STRIDE % _NIGHT, 60)
        if (hour, minute) == _HOUSEKEEPING:
            minute += 1
        yield replace(proposal, settings={**proposal.settings, "schedule": f"{minute} {hour} * * *"})
