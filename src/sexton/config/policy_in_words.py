"""A policy in words, for `sexton explain`: the rule as one sentence, and line by line what that leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..jobs.span import parse_span
from .child_settings import ChildSettings, children_of
from .policy_settings import PolicySettings

_OF_CHILDREN = {
    "delete": "deletes {table} first, those whose {columns} refers to {above}",
    "set null": "clears {columns} of {table} first, where it refers to {above}",
    "refuse": "sets aside a row, and keeps it, where {columns} of {table} refers to {above}",
}


def sentence(settings: PolicySettings) -> str:
    """The rule: "delete rows of sessions 30d after their ended_at, with a condition on state"."""
    when = f"{settings.keep} after" if settings.keep is not None and parse_span(settings.keep) else "past"
    when = f"{settings.ahead} before" if settings.ahead is not None else when
    only = settings.only
    condition = f", with a condition on {', '.join(only)}" if isinstance(only, Mapping) and only else ""
    condition = f", only where {' '.join(only.split())}" if isinstance(only, str) else condition
    time = f" {when} their {settings.by}" if settings.by else ""
    return f"{settings.what()}{time}{condition}"


def details(settings: PolicySettings, once: Sequence[str] = ()) -> list[str]:
    """One line each, in the order of the manual's page; none for what is as it is by default.

    once: the columns that the key of its message holds, where they are known: those of the plan.
    """
    return [
        *_which(settings),
        *_what(settings, once),
        *_children(children_of(settings.children), "it"),
        *_how_much(settings),
    ]


def _which(settings: PolicySettings) -> Iterator[str]:
    if isinstance(settings.only, Mapping):
        for name, wanted in settings.only.items():
            yield f"only where {name} {_wanted(wanted)}"
    if settings.boundary == "<=":
        yield "rows whose time it is to the instant are due, too"
    if settings.zone or settings.zone_column:
        own = f"in the zone that {settings.zone_column} says" if settings.zone_column else ""
        parent = "".join(f" of {table}, found by {column}" for table, column in settings.zone_parent.items())
        other = f"in {settings.zone}" if settings.zone else ""
        zone = f"{own}{parent}{', else ' if own and other else ''}{other}"
        yield f"days, and times without a zone, are those {zone}"
    for table, column in settings.unless_referenced_by.items():
        yield f"keeps rows that {column} of {table} refers to"
    if settings.keep_last is not None:
        per = f" of each {_and(settings.per)}" if settings.per else ""
        yield f"keeps the newest {settings.keep_last:,}{per}"
    if settings.before is not None and "." in settings.before:
        yield f"waits until windows of the roll-up in {settings.before} are sealed"
    elif settings.before is not None:
        yield f"waits until policy {settings.before} has been through"


def _what(settings: PolicySettings, once: Sequence[str]) -> Iterator[str]:
    yield from settings.own_words()
    if settings.tells:
        to = f" to {settings.to}" if settings.to else ""
        each = _listed(once) or _listed(["row", *(settings.once_per or filter(None, [settings.by]))])
        yield f"tells {settings.event or 'about it'}{to}, once for each {each}"


def values_in_words(settings: PolicySettings) -> Iterator[str]:
    """What `set` and `clear` say, line by line."""
    for name, value in settings.set.items():
        yield f"{name} becomes {'the time of the run' if value == {'now': True} else repr(value)}"
    if settings.clear:
        yield f"clears {_and(settings.clear)}"


def _children(children: Sequence[ChildSettings], above: str) -> Iterator[str]:
    for child in children:
        yield from _children(child.children, f"those of {child.table}")
        yield _OF_CHILDREN[child.action].format(table=child.table, columns=_and(child.columns), above=above)


def _how_much(settings: PolicySettings) -> Iterator[str]:
    if settings.order:
        yield f"by {_and(settings.order)}, then the oldest first"
    if settings.limit is not None:
        yield f"at most {settings.limit:,} rows a run"
    if settings.batch is not None:
        yield f"at most {settings.batch:,} rows a batch"
    if settings.max_share < 1:
        yield f"stops before it takes more than {settings.max_share:.0%} of the table"


def _wanted(wanted: Any) -> str:
    if isinstance(wanted, Mapping):
        return " and ".join(_compared(word, value) for word, value in wanted.items())
    return f"is {_either(wanted)}"


def _compared(word: str, value: Any) -> str:
    if word == "null":
        return "is NULL" if value else "is not NULL"
    return f"is {word.replace('_', ' ')} {_either(value)}"


def _either(value: Any) -> str:
    return " or ".join(map(repr, value)) if isinstance(value, list | tuple) else repr(value)


def _listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
