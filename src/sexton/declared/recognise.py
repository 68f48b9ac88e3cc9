"""What a table looks like, and policies that would suit it: from names and types alone, no row is read here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.types import Boolean, TypeEngine

from .catalogue import OURS
from .roles import Roles, roles_of
from .words import BUSINESS, each, family_of, is_business, is_migrations, singular, words

_HAPPENINGS = frozenset(each("begin_at begins_at end_date location location_id start_at start_date starts_at venue"))
"""Columns of events that people go to."""

_STREAMS = frozenset(each("aggregate_id aggregate_type aggregate_version stream_id stream_name stream_version"))
"""Columns of events that are the data themselves."""

_TASKS_OF_PEOPLE = frozenset(
    each(
        "assigned_to assignee assignee_id company_id cron crontab cron_expression due_date employer_id project_id "
        "salary schedule title"
    )
)
"""Columns of jobs and tasks that no program does, and of those that stay, as they are done again and again."""

_PEOPLE = frozenset(each("account client customer member tenant user"))
"""Of whom programs keep logs."""

_HAND_WRITTEN = (BUSINESS - _PEOPLE) | frozenset(
    each("calendar exercise food health inventory maintenance medical patient price stock time training trip work")
)
"""Of these people keep logs, or a product needs them: `work_log`, `payment_events`."""

_BY_PROGRAMS = frozenset(
    each("api change cron email execution export import job login mail password request run search sync task")
)
"""Of these a history is no more than a log."""

_VISITORS = frozenset(each("access account active admin api app auth customer device http login php user web"))
"""Whose sessions end with their last use, even where nobody wrote down until when they are valid."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A table of the catalogue. schema: None on SQLite.  home: whether it is the schema that needs not be named."""

    schema: str | None
    name: str
    columns: Mapping[str, TypeEngine[Any]]
    home: bool = True

    @property
    def written(self) -> str:
        """As a policy names it."""
        return self.name if self.schema is None or (self.home and "." in self.name) else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Guess:
    """A policy that would suit. by: its time column.  status: a column whose final values have to be asked first.

    doubt: what a person has to decide before it can be used; "": nothing.  remark: what is worth a look.
    """

    looks: str
    adjective: str
    by: str
    keep: str | None = None
    only: Mapping[str, object] = field(default_factory=dict)
    status: str | None = None
    doubt: str = ""
    remark: str = ""


def recognise(table: Seen, dialect: str) -> tuple[str | None, list[Guess]]:
    """What its rows look like, and policies for them, the best first. None: not like anything that has its time."""
    if _is_ours(table, dialect) or is_migrations(table.name) or is_business(table.name):
        return None, []
    roles = roles_of(table.columns, dialect)
    family = family_of(table.name)
    if family is not None and _is_of_people(family, table.columns):
        family = None
    guesses = list(_GUESSES[family](roles, table)) if family is not None else []
    if not guesses:
        guesses = list(_soft_deleted(roles, table))
    looks = guesses[0].looks if guesses else family
    return looks, guesses


def _is_ours(table: Seen, dialect: str) -> bool:
    return dialect == "sqlite" and table.name.startswith(OURS)


def _is_of_people(family: str, columns: Mapping[str, object]) -> bool:
    """Events with a place, event stores, tasks of people: called like what has its time, and something else."""
    others = {"logs": _HAPPENINGS | _STREAMS, "sessions": _HAPPENINGS, "jobs": _TASKS_OF_PEOPLE}.get(
        family, frozenset()
    )
    return not others.isdisjoint("_".join(words(name)) for name in columns)


def _by_deadline(looks: str, roles: Roles) -> Iterator[Guess]:
    for name in roles.deadlines:
        more = [other for other in roles.deadlines if other != name]
        remark = f"there is {', '.join(more)} too: see that {name} is the last of them" if more else ""
        yield Guess(looks, "expired", name, remark=remark)


def _sessions(roles: Roles, table: Seen) -> Iterator[Guess]:
    yield from _by_deadline("sessions", roles)
    named = {*words(table.name)[:-1]}
    if named and named.isdisjoint(_VISITORS):
        return  # those of a course, of a therapy
    yield from (Guess("sessions", "unused", name, "90d") for name in roles.used)
    doubt = "no column says until when a session is valid or when it was last used; is none used for so long?"
    yield from (Guess("sessions", "old", name, "365d", doubt=doubt) for name in (*roles.changed, *roles.births))


def _tokens(roles: Roles, table: Seen) -> Iterator[Guess]:
    yield from _by_deadline("tokens", roles)
    about = [singular(word) for word in words(table.name)]
    if about[-1] not in ("token", "invite", "invitation") or "reset" in about:
        doubt = "no column says until when these are valid; is it less than a week?"
        yield from (Guess("tokens", "old", name, "7d", doubt=doubt) for name in roles.births)


def _reservations(roles: Roles, table: Seen) -> Iterator[Guess]:
    for guess in _by_deadline("reservations", roles):
        if not roles.statuses:
            yield guess
            continue
        doubt = f"which values of {roles.statuses[0]} may go? What became an order has to stay"
        yield Guess(guess.looks, "expired", guess.by, status=roles.statuses[0], doubt=doubt, remark=guess.remark)


def _kept(looks: str, keep: str, remark: str = "") -> Callable[[Roles, Seen], Iterator[Guess]]:
    """Rows that are old enough one day."""

    def guesses(roles: Roles, table: Seen) -> Iterator[Guess]:
        yield from _by_deadline(looks, roles)
        others = roles.times if len(roles.times) == 1 else roles.changed
        about = {singular(word) for word in words(table.name)}
        needed = about & _HAND_WRITTEN or (looks == "a history" and not about & _BY_PROGRAMS)
        doubt = f"does nobody need what is older than {keep}, as a part of the product or by law?" if needed else ""
        for name in dict.fromkeys((*roles.births, *others)):
            yield Guess(looks, "old", name, keep, doubt=doubt, remark=remark)

    return guesses


def _notifications(roles: Roles, table: Seen) -> Iterator[Guess]:
    if roles.read:
        marked: dict[str, object] = {roles.read[0]: {"null": False}}
    elif "read" in roles.flags:
        marked = {roles.flags["read"]: _true(table, roles.flags["read"])}
    else:
        yield from _kept("notifications", "90d")(roles, table)
        return
    yield from (Guess("notifications", "read", name, "90d", marked) for name in roles.births)
    yield from (Guess("notifications", "read", name, "90d") for name in roles.read)


def _jobs(roles: Roles, table: Seen) -> Iterator[Guess]:
    """Only those that are finished."""
    for name in roles.ends:
        more = [other for other in roles.ends if other != name]
        remark = f"rows that have only {' or '.join(more)} stay" if more else ""
        yield Guess("jobs", "finished", name, "30d", remark=remark)
    times = (*roles.changed, *roles.births)
    if "done" in roles.flags:
        marked = {roles.flags["done"]: _true(table, roles.flags["done"])}
        yield from (Guess("jobs", "finished", name, "30d", marked) for name in times)
    if roles.statuses:
        yield from (Guess("jobs", "finished", name, "30d", status=roles.statuses[0]) for name in times)


def _temporary(looks: str, keep: str, doubt: str = "") -> Callable[[Roles, Seen], Iterator[Guess]]:
    def guesses(roles: Roles, table: Seen) -> Iterator[Guess]:
        yield from _by_deadline(looks, roles)
        for name in roles.births:
            yield Guess(looks, "old", name, keep, doubt=doubt)

    return guesses


def _soft_deleted(roles: Roles, table: Seen) -> Iterator[Guess]:
    yield from (Guess("rows marked as deleted", "deleted", name, "30d") for name in roles.deleted)
    if "deleted" in roles.flags:
        flag = roles.flags["deleted"]
        for name in roles.changed:
            remark = f"no column says when a row was deleted; {name} stands for it"
            yield Guess("rows marked as deleted", "deleted", name, "30d", {flag: _true(table, flag)}, remark=remark)


def _true(table: Seen, column: str) -> object:
    """True as the column has it."""
    return True if isinstance(table.columns[column], Boolean) else 1


_LAW = "audit trails often have to be kept by law or contract: ask who answers for that"
_FILES = "rows of {} may be what people mean to keep, or stand for files that stay behind; may they go at all?"

_GUESSES: Mapping[str, Callable[[Roles, Seen], Iterator[Guess]]] = {
    "sessions": _sessions,
    "tokens": _tokens,
    "reservations": _reservations,
    "logs": _kept("logs", "90d"),
    "audit trails": _kept("audit trails", "365d", _LAW),
    "a history": _kept(
        "a history", "365d", "a history may be what a product shows: see that nobody needs what is older"
    ),
    "notifications": _notifications,
    "jobs": _jobs,
    "temporary data": _temporary("temporary data", "7d"),
    "exports": _temporary("exports", "30d", _FILES.format("exports")),
    "uploads": _temporary("uploads", "30d", _FILES.format("uploads")),
}
