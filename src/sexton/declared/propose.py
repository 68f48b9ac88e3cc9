"""Policies for the tables of a database that Sexton has never seen: recognised, tried, counted. Nothing is written."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column
from sqlalchemy.exc import DBAPIError, SAWarning

from ..config import read_into
from ..config.policy import Declared, PolicySettings
from ..db.connect import open_to_look, read_only
from ..db.faults import describe
from ..db.moment import ask_now
from ..errors import DatabaseUnreachable, PolicyError, SextonError
from ..policies.contract import Plan
from ..runs.execution import Request, parameters
from ..runs.statements import all_due
from .build import built
from .catalogue import Catalogue
from .measure import Looker, Measures, final_states, form_of, measure
from .recognise import Guess, Seen, recognise
from .survey import Reference, Survey, survey

_FIRST, _STRIDE, _NIGHT = 62, 11, 180
"""Minutes after midnight of the first schedule, between two, and from the first to the last."""

_HOUSEKEEPING = (3, 37)
"""Hour and minute of Sexton's own job."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy that works here. settings: as `[policies.NAME]` has them.  doubt: what to decide before; "": nothing.

    children: settings for rows that refer to these, of which somebody has to say whether they go too.
    """

    name: str
    looks: str
    settings: Mapping[str, object]
    children: Mapping[str, str]
    doubt: str
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
            return _looked_at(Looker(engine))
    finally:
        engine.dispose()


def _looked_at(looker: Looker) -> Proposals:
    with read_only(looker.engine) as connection:
        known = survey(connection)
    found: list[Proposal] = []
    left_out: list[tuple[str, str]] = []
    for table in known.tables:
        looks, guesses = recognise(table, looker.engine.dialect.name)
        if looks is None:
            continue
        try:
            settled = _first_that_works(looker, table, guesses)
        except PolicyError as error:
            left_out.append((table.written, f"looks like {looks}, but {error}"))
            continue
        found.append(_proposal(looker, known, table, settled, [proposal.name for proposal in found]))
    return Proposals(len(known.tables), tuple(_scheduled(found)), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Settled:
    """A guess that the database accepts."""

    guess: Guess
    settings: Mapping[str, object]
    plan: Plan
    by: Column[Any]


def _first_that_works(looker: Looker, table: Seen, guesses: list[Guess]) -> _Settled:
    """PolicyError: why the first one does not."""
    first: SextonError = PolicyError("no column tells when a row has had its time")
    for number, guess in enumerate(guesses):
        try:
            return _settled(looker, table, guess)
        except DatabaseUnreachable:
            raise
        except SextonError as error:
            first = error if number == 0 else first
        except DBAPIError as error:
            raise PolicyError(f"the database refuses to show it: {describe(error)}") from error
    raise PolicyError(" ".join(str(first).split()))


def _settled(looker: Looker, table: Seen, guess: Guess) -> _Settled:
    columns = _columns(looker, table)
    form, doubt = form_of(looker, columns[guess.by])
    doubts, only = [guess.doubt, doubt], dict(guess.only)
    if guess.status is not None:
        states, final = final_states(looker, columns[guess.status])
        only[guess.status] = states or ["done", "failed"]
        if not final and not guess.doubt:
            doubts.append(f"which values of {guess.status} say that a row is finished?")
    settings: dict[str, object] = {"purge": table.written, "by": guess.by}
    settings |= {} if guess.keep is None else {"keep": guess.keep}
    settings |= form
    settings |= {"only": only} if only else {}
    guess = replace(guess, doubt=" ".join(doubt[:1].upper() + doubt[1:] for doubt in doubts if doubt))
    plan = _tried(looker, settings)
    return _Settled(guess, settings, plan, plan.table.c[guess.by])


def _columns(looker: Looker, table: Seen) -> Mapping[str, Column[Any]]:
    """Found by the name that the policy will have for the table."""
    with read_only(looker.engine) as connection:
        found = Catalogue(connection).table(table.written)
    if (found.schema, found.name) not in ((table.schema, table.name), (None, table.name)):
        raise PolicyError("its name is read as that of another table")
    return dict(found.c.items())


def _tried(looker: Looker, settings: Mapping[str, object]) -> Plan:
    """The plan of the policy, after the database has taken its predicate. PolicyError, DBAPIError."""
    read = read_into(PolicySettings, settings, where="policy")
    with read_only(looker.engine) as connection:
        plan = built(Catalogue(connection), Declared("proposed", read, "")).plan()
        none = all_due(plan, excluding=False).limit(0)
        connection.execute(none, parameters(none, Request(0, None, ask_now(connection), "proposed", None)))
    return plan


def _proposal(looker: Looker, known: Survey, table: Seen, settled: _Settled, taken: list[str]) -> Proposal:
    guess, unit = settled.guess, settled.settings.get("unit")
    references = known.references.get((table.schema, table.name), [])
    children, remarks = _children(table, settled.plan, references)
    return Proposal(
        name=_name(guess.adjective, table, taken),
        looks=f"{guess.looks}: {', '.join(dict.fromkeys([guess.by, *_only(settled)]))}",
        settings=settled.settings,
        children=children,
        doubt=guess.doubt,
        remarks=(*([guess.remark] if guess.remark else []), *_failed(settled), *remarks),
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


def _children(table: Seen, plan: Plan, references: list[Reference]) -> tuple[dict[str, str], list[str]]:
    """What could be deleted with the rows, and what to know about the rest."""
    children: dict[str, str] = {}
    remarks: list[str] = []
    for reference in references:
        child, columns = reference.child.written, ", ".join(reference.columns)
        if reference.ondelete == "CASCADE":
            remarks.append(f"rows of {child} that refer to a deleted one go with it (ON DELETE CASCADE)")
        elif reference.ondelete in ("SET NULL", "SET DEFAULT"):
            remarks.append(f"{columns} of {child} loses what it refers to (ON DELETE {reference.ondelete})")
        elif reference.child == table:
            remarks.append(f"rows refer to each other by {columns}: one that others refer to stays until they are gone")
        elif reference.referred == tuple(column.name for column in plan.key) and child not in children:
            if len(reference.columns) == 1:
                children[child] = reference.columns[0]
                continue
            remarks.append(f"a row that {child} refers to by {columns} stays")
        else:
            remarks.append(f"a row that {child} refers to by {columns} stays")
    return children, remarks


def _name(adjective: str, table: Seen, taken: list[str]) -> str:
    """Of a policy: "expired_sessions", "old_audit_log" of schema audit; stable as long as the table's name is."""
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
