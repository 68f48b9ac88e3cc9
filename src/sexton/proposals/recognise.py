"""What a table looks like, and policies that would suit it: from names and types alone, no row is read here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.types import Boolean, TypeEngine

from ..declared.catalogue import OURS
from .column_roles import Roles, own_deadline, roles_of
from .family_by_name import each, family_of, is_business, is_migrations, telling, words_of_name
from .vocabulary import (
    BRIEF,
    BUSINESS_WORDS,
    EVENT_STREAM_COLUMNS,
    HAPPENINGS,
    LASTING,
    SECRET_COLUMNS,
    TASKS_OF_PEOPLE,
)

DELETED, ENDING = "rows marked as deleted", "something with an end"
VAGUE_LOOKS = (DELETED, ENDING)
"""What is said of tables whose name says nothing."""


@dataclass(frozen=True, slots=True)
class SurveyedTable:
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

    doubts: what a person has to decide before it can be used.  remark: what is worth a look.
    """

    looks: str
    adjective: str
    by: str
    keep: str
    only: Mapping[str, object] = field(default_factory=dict)
    status: str | None = None
    doubts: tuple[str, ...] = ()
    remark: str = ""


def recognise(table: SurveyedTable, dialect: str) -> tuple[str | None, list[Guess]]:
    """What its rows look like, and policies for them, the best first. None: not like anything that has its time."""
    if _is_ours(table, dialect) or is_migrations(table.name) or is_business(table.name):
        return None, []
    roles = roles_of(table.columns, dialect)
    family = family_of(table.name) or _family_by_columns(table)
    if family is not None and _is_of_people(family, table.columns):
        family = None
    guesses = list(_GUESSES[family](roles, table)) if family is not None else []
    if not guesses:
        guesses = [*_with_an_end(roles, table), *_soft_deleted(roles, table)]
    looks = guesses[0].looks if guesses else family
    return looks, guesses


def _is_ours(table: SurveyedTable, dialect: str) -> bool:
    return dialect == "sqlite" and table.name.startswith(OURS)


def _is_of_people(family: str, columns: Mapping[str, object]) -> bool:
    """Events with a place, event stores, tasks of people: called like what has its time, and something else."""
    others = {"logs": HAPPENINGS | EVENT_STREAM_COLUMNS, "sessions": HAPPENINGS, "jobs": TASKS_OF_PEOPLE}.get(
        family, frozenset()
    )
    return not others.isdisjoint(_bare(columns))


def _family_by_columns(table: SurveyedTable) -> str | None:
    """`webhooks` are what was sent, or where to: the columns tell."""
    has = {word for name in table.columns for word in words_of_name(name)}
    sent = has & {"body", "payload"} and has & {"attempts", "response", "retries", "retried", "status"}
    return "logs" if telling(table.name)[-1:] == ["webhook"] and sent else None


def _bare(columns: Mapping[str, object]) -> set[str]:
    return {"_".join(words_of_name(name)) for name in columns}


def _by_deadline(looks: str, keep: str, roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    """Expired rows, some time after their deadline: people still ask why something was refused."""
    tokens = {"refresh_token", "refresh_token_hash"} & _bare(table.columns)
    for name in roles.deadlines:
        more = [other for other in roles.deadlines if other != name]
        doubts = []
        if not own_deadline(name, table.name):
            doubts.append(f"is a row as a whole of no more use after its {name}?")
        if more and "refresh" not in words_of_name(name):
            doubts.append(f"there is {', '.join(more)} too: is {name} the last of them?")
        if tokens and "refresh" not in words_of_name(name) and "refresh" not in words_of_name(table.name):
            doubts.append(f"is the refresh token in a row of no more use either after its {name}?")
        yield Guess(looks, "expired", name, keep, doubts=tuple(doubts))


def _revoked(looks: str, roles: Roles) -> Iterator[Guess]:
    yield from (Guess(looks, "revoked", name, "30d") for name in roles.revoked)


def _sessions(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    yield from _certain_first(_by_deadline("sessions", "7d", roles, table), _revoked("sessions", roles))
    doubts = () if _bare(table.columns) & SECRET_COLUMNS else ("are these sessions of people who are signed in?",)
    yield from (Guess("sessions", "unused", name, "90d", doubts=doubts) for name in roles.used)
    if _bare(table.columns) & {"session_data", "session_id", "session_key"}:  # written at each use
        yield from (Guess("sessions", "unused", name, "90d") for name in roles.changed)
    if not (BUSINESS_WORDS - {"checkout"}).isdisjoint(telling(table.name)):
        return  # those of a course, of a therapy
    doubt = "no column says until when a session is valid or when it was last used; is none used for so long?"
    yield from (Guess("sessions", "old", name, "365d", doubts=(doubt,)) for name in (*roles.changed, *roles.births))


def _tokens(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    keep = "30d" if {"refresh", "revoked"} & {*words_of_name(table.name)} else "7d"
    yield from _certain_first(_by_deadline("tokens", keep, roles, table), _revoked("tokens", roles))
    about, has = {*telling(table.name)}, _bare(table.columns)
    lasting = about & LASTING and not about & BRIEF
    if not lasting and has & {"client_ip", "ip", "ip_address", "user_agent"}:
        yield from (Guess("tokens", "unused", name, "90d") for name in roles.used)
    if not lasting and not about & {"access", "refresh"}:
        brief = bool(about & BRIEF) or {"one", "time"} <= about or {"lost", "password"} <= about
        doubts = () if brief else ("no column says until when these are valid; is it less than a week?",)
        keep = "30d" if brief else "7d"
        yield from (Guess("tokens", "old", name, keep, doubts=doubts) for name in roles.births)


def _certain_first(*several: Iterator[Guess]) -> list[Guess]:
    """Several guesses, those without a doubt before the others."""
    return sorted((guess for guesses in several for guess in guesses), key=lambda guess: bool(guess.doubts))


def _reservations(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    for guess in _by_deadline("reservations", "30d", roles, table):
        if roles.statuses:
            status = roles.statuses[0]
            doubt = f"which values of {status} may go? What became an order has to stay"
            yield replace(guess, status=status, doubts=(doubt, *guess.doubts))
        elif {"basket", "cart"}.isdisjoint(map(_singular_last, (table.name,))):
            yield replace(guess, doubts=("what becomes of a reservation that was taken up?", *guess.doubts))
        else:
            yield guess


def _singular_last(name: str) -> str:
    return words_of_name(name)[-1].removesuffix("s")


def _kept(looks: str, keep: str, doubt: str = "") -> Callable[[Roles, SurveyedTable], Iterator[Guess]]:
    """Rows that are old enough one day."""

    def guesses(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
        last = words_of_name(table.name)[-1].removesuffix("s")
        hooks = not {"hook", "hooks", "webhook", "webhooks"}.isdisjoint(words_of_name(table.name))
        asked = doubt or ("" if hooks else _OTHER_THAN_LOGS.get(last, ""))
        doubts = (asked,) if asked else ()
        kept = "365d" if {"auth", "authentication", "login", "signin"} & {*words_of_name(table.name)} else keep
        for guess in _by_deadline(looks, "30d", roles, table):
            yield replace(guess, doubts=(*doubts, *guess.doubts))
        others = roles.times if len(roles.times) == 1 else roles.changed
        for name in dict.fromkeys((*roles.births, *others)):
            yield Guess(looks, "old", name, kept, doubts=doubts)

    return guesses


def _notifications(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    if roles.read:
        marked: dict[str, object] = {roles.read[0]: {"null": False}}
    elif "read" in roles.flags:
        marked = {roles.flags["read"]: _true(table, roles.flags["read"])}
    else:
        doubt = "no column says whether somebody has read them; does nobody look for older ones?"
        yield from _kept("notifications", "90d", doubt)(roles, table)
        return
    yield from (Guess("notifications", "read", name, "90d", marked) for name in roles.births)
    yield from (Guess("notifications", "read", name, "90d") for name in roles.read)


def _jobs(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    """Only those that are finished."""
    doubts = (_RUNS,) if telling(table.name)[-1] in ("execution", "run") else ()
    for name in roles.ends:
        more = [other for other in roles.ends if other != name]
        remark = f"rows that have only {' or '.join(more)} stay" if more else ""
        yield Guess("jobs", "finished", name, "30d", doubts=doubts, remark=remark)
    times = (*roles.changed, *roles.births)
    if "done" in roles.flags:
        marked = {roles.flags["done"]: _true(table, roles.flags["done"])}
        yield from (Guess("jobs", "finished", name, "30d", marked, doubts=doubts) for name in times)
    if roles.statuses:
        yield from (Guess("jobs", "finished", name, "30d", status=roles.statuses[0], doubts=doubts) for name in times)


def _signs_of_life(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    yield from _by_deadline("signs of life", "30d", roles, table)
    yield from (Guess("signs of life", "unseen", name, "90d") for name in roles.used)


def _locks(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    yield from _by_deadline("locks", "1d", roles, table)


def _temporary(
    looks: str, keep: str, grace: str, doubt: str, late: str = ""
) -> Callable[[Roles, SurveyedTable], Iterator[Guess]]:
    """doubt: of rows that only have a birth.  late: of those that have a deadline."""

    def guesses(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
        for guess in _by_deadline(looks, grace, roles, table):
            yield replace(guess, doubts=(late, *guess.doubts)) if late else guess
        yield from (Guess(looks, "old", name, keep, doubts=(doubt,)) for name in roles.births)

    return guesses


def _soft_deleted(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    """Never without a person: a mark may be what a product counts, restores or proves with."""
    doubt = "does nobody bring back, count or have to prove what was marked as deleted?"
    yield from (Guess(DELETED, "deleted", name, "30d", doubts=(doubt,)) for name in roles.deleted)
    if "deleted" in roles.flags:
        flag = roles.flags["deleted"]
        for name in roles.changed:
            remark = f"no column says when a row was deleted; {name} stands for it"
            marked = {flag: _true(table, flag)}
            yield Guess(DELETED, "deleted", name, "30d", marked, doubts=(doubt,), remark=remark)


def _with_an_end(roles: Roles, table: SurveyedTable) -> Iterator[Guess]:
    """Whatever the table is called: its rows are over at some time. Of a business, that is no reason."""
    if not BUSINESS_WORDS.isdisjoint(telling(table.name)):
        return
    secret = sorted(_bare(table.columns) & (SECRET_COLUMNS - {"client_id", "payload", "state", "user_agent"}))
    for guess in _by_deadline(ENDING, "30d", roles, table):
        if own_deadline(guess.by, table.name):
            has = f" ({', '.join(secret)})" if secret else ""
            doubt = f"is a row{has} of no more use to anybody after its {guess.by}?"
            yield replace(guess, doubts=(doubt, *guess.doubts))


def _true(table: SurveyedTable, column: str) -> object:
    """True as the column has it."""
    return True if isinstance(table.columns[column], Boolean) else 1


_LAW = "audit trails often have to be kept by law or contract, or are what a product sells; who answers for that?"
_EVENTS = "are these events only a log, or what the product works with, shows, or counts?"
_STATISTICS = "are these counted by day already, or does somebody still ask for single ones?"
_MESSAGES = "are these copies of what was sent, or the messages themselves?"
_RUNS = "does nobody look at single runs of more than a month ago?"
_OTHER_THAN_LOGS = {
    "message": _MESSAGES,
    **dict.fromkeys(each("event span telemetry trace"), _EVENTS),
    **dict.fromkeys(each("hit pageview view visit"), _STATISTICS),
}
_FILES = "rows of {} may be what people mean to keep, or stand for files that stay behind; may they go at all?"
_AGAIN = "is what is older made again when somebody asks for it?"

_GUESSES: Mapping[str, Callable[[Roles, SurveyedTable], Iterator[Guess]]] = {
    "sessions": _sessions,
    "tokens": _tokens,
    "reservations": _reservations,
    "logs": _kept("logs", "90d"),
    "audit trails": _kept("audit trails", "365d", _LAW),
    "a history": _kept(
        "a history", "365d", "a history may be what a product shows, or proves with; does nobody need what is older?"
    ),
    "notifications": _notifications,
    "jobs": _jobs,
    "signs of life": _signs_of_life,
    "locks": _locks,
    "temporary data": _temporary("temporary data", "7d", "7d", _AGAIN),
    "exports": _temporary("exports", "30d", "7d", _FILES.format("exports"), _FILES.format("exports")),
    "uploads": _temporary("uploads", "30d", "7d", _FILES.format("uploads"), _FILES.format("uploads")),
}
