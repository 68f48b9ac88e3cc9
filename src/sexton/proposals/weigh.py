"""What speaks for a proposal and against it: the other words of its name, its columns, and the tables that refer to it.

A policy stands without # only where all three say the same. One doubt is enough to leave it to a person: rows that
nobody purged cost a disk, rows that nobody should have purged cost a business.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy.types import Integer

from .family_by_name import family_of, singular, telling, words_of_name
from .recognise import VAGUE_LOOKS, Guess, SurveyedTable
from .survey import Survey, TableReference
from .vocabulary import (
    BARE,
    BESIDES,
    BUSINESS_WORDS,
    BY_HAND,
    CONTENTS,
    FILES,
    FILES_OF_LOGS,
    GONE_ANYWAY,
    MONEY,
    PEOPLE,
    TECHNICAL,
)

_SAID = {
    "deleted": "a row was marked as deleted",
    "expired": "a row is over",
    "finished": "the work was done",
    "old": "a row was made",
    "read": "a row was made, or read",
    "revoked": "a row was revoked",
    "unseen": "it was last seen",
    "unused": "a row was last used",
}
"""What the time column tells, by the adjective of the policy."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """doubts: what a person has to decide; none: all speaks for it.  reasons: what speaks for it, as people say it.

    keepers: children whose rows keep those that they refer to.  children: those that have to go first.
    """

    doubts: tuple[str, ...]
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    keepers: dict[str, str] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)


class Scales:
    """Weighs guesses about the tables of one database."""

    def __init__(self, known: Survey) -> None:
        self._known = known
        self._names = {tuple(map(singular, words_of_name(table.name))) for table in known.tables}
        self._begins = Counter(
            parts[:length]
            for parts in {tuple(words_of_name(table.name)) for table in known.tables}
            for length in range(1, len(parts))
        )
        self._columns: dict[str, list[tuple[SurveyedTable, str]]] = defaultdict(list)
        for table in known.tables:
            for column in table.columns:
                self._columns["_".join(words_of_name(column))].append((table, column))

    def weigh(self, table: SurveyedTable, guess: Guess, key: tuple[str, ...]) -> Weighed:
        """key: columns that the policy names rows by."""
        besides = self._besides(table.name)
        found = _Found(list(guess.doubts), [], {}, {})
        found.doubts += _of_name(table, guess, besides)
        found.doubts += _of_columns(table, guess)
        references = self._known.references.get((table.schema, table.name), [])
        for reference in references:
            _of_reference(table, reference, key, found)
        found.doubts += self._of_names_alone(table, {reference.child.written for reference in references})
        reasons = [] if guess.looks in VAGUE_LOOKS else [f"the name says {guess.looks}"]
        reasons.append(f"{guess.by} says when {_SAID[guess.adjective]}")
        if not references:
            reasons.append("no other table refers to it")
        return Weighed(
            tuple(dict.fromkeys(found.doubts)), tuple(reasons), tuple(found.remarks), found.keepers, found.children
        )

    def _besides(self, name: str) -> set[str]:
        """The words that say whose or what kind, without those that all tables of a part of the product begin with."""
        parts = words_of_name(name)
        length = max((n for n in range(1, len(parts)) if self._is_part(parts[:n])), default=0)
        return set(telling("_".join(parts[length:]))[:-1])

    def _is_part(self, begins: tuple[str, ...]) -> bool:
        """As Django writes the name of a part before those of its tables; not one table and what hangs on it."""
        return self._begins[begins] > 2 and tuple(map(singular, begins)) not in self._names

    def _of_names_alone(self, table: SurveyedTable, told: set[str]) -> Iterator[str]:
        """Many products refer without a foreign key: a column called as this table is."""
        names = telling(table.name)
        own = isinstance(table.columns.get("id"), Integer)
        if not own and len(names) == 1:
            return  # "session_id" as text is what a browser was given
        for child, column in self._columns["_".join([*names, "id"])]:
            if (
                child != table
                and own == isinstance(child.columns[column], Integer)
                and child.written not in told
                and not _goes_anyway(table, child)
            ):
                yield f"column {column} of {child.written} seems to name rows of it; are those of no more use there?"


@dataclass(slots=True)
class _Found:
    doubts: list[str]
    remarks: list[str]
    keepers: dict[str, str]
    children: dict[str, str]


def _of_name(table: SurveyedTable, guess: Guess, besides: set[str]) -> Iterator[str]:
    names, rows = telling(table.name), guess.looks.removeprefix("a ")
    if business := BUSINESS_WORDS.intersection(names):
        about = _listed(sorted(business))
        yield f"its name speaks of {about}: is it a part of the product, whose old rows somebody needs?"
        return
    usual = BESIDES.get(guess.looks, frozenset(besides)) | {names[-1]}
    strange = besides - usual
    if besides & usual:  # such as user_auth_token_logs, but not user_logs
        strange -= PEOPLE
    if strange:
        other = _listed(f'"{word}"' for word in sorted(strange))
        yield f"are these {rows} as programs keep them? In its name, {other} may mean something else"


def _of_columns(table: SurveyedTable, guess: Guess) -> Iterator[str]:
    named = {column: {*words_of_name(column)} for column in table.columns}
    if money := [column for column, parts in named.items() if parts & MONEY]:
        yield f"{_columns(money)} may be what somebody is charged for; does nobody need older rows, also by law?"
    if guess.looks in BY_HAND and (hand := [column for column, parts in named.items() if parts & BY_HAND[guess.looks]]):
        yield f"{_columns(hand)}: did people make these rows by hand, to find them again?"
    written = {"email", "mail", "message", "sms"}.intersection(telling(table.name))
    if written and (copies := [column for column, parts in named.items() if parts & CONTENTS]):
        yield f"{_columns(copies)}: does nobody look up what was written to whom?"
    kept = FILES_OF_LOGS if guess.looks in ("logs", "audit trails", "a history", "jobs") else FILES
    if files := [column for column in table.columns if kept.search("_".join(words_of_name(column)))]:
        yield f"{_columns(files)} may name files that stay behind; who deletes those?"
    usual = BESIDES.get(guess.looks, frozenset()).intersection(telling(table.name)[:-1])
    if guess.looks in BARE and not usual and not any(parts & TECHNICAL for parts in named.values()):
        yield f"of what are these {guess.looks}? Neither the name nor a column says that a program alone reads them"


def _of_reference(table: SurveyedTable, reference: TableReference, key: tuple[str, ...], found: _Found) -> None:
    """What happens to rows that refer to those of the policy."""
    child, columns = reference.child.written, ", ".join(reference.columns)
    if reference.child == table:
        found.remarks.append(
            f"rows refer to each other by {columns}: one that others refer to stays until they are gone"
        )
    elif reference.ondelete == "CASCADE":
        if _goes_anyway(table, reference.child):
            found.remarks.append(f"rows of {child} that refer to a deleted one go with it (ON DELETE CASCADE)")
        else:
            found.doubts.append(f"may rows of {child} go along (ON DELETE CASCADE)?")
    elif reference.ondelete in ("SET NULL", "SET DEFAULT"):
        if _goes_anyway(table, reference.child):
            found.remarks.append(f"{columns} of {child} loses what it refers to (ON DELETE {reference.ondelete})")
        else:
            found.doubts.append(f"may {columns} of {child} lose what it refers to (ON DELETE {reference.ondelete})?")
    elif len(reference.columns) > 1 or reference.referred != key or child in {*found.keepers, *found.children}:
        found.doubts.append(f"{child} refers to it by {columns}: what has to happen to those rows?")
    elif _is_piece(table, reference.child) and family_of(reference.child.name) not in GONE_ANYWAY:
        found.children[child] = reference.columns[0]
        found.doubts.append(f"do the rows of {child} go first, as `children` says?")
    else:
        found.keepers[child] = reference.columns[0]
        found.remarks.append(f"a row that {child} refers to stays")


def _goes_anyway(table: SurveyedTable, child: SurveyedTable) -> bool:
    return _is_piece(table, child) or (
        family_of(child.name) in GONE_ANYWAY and BUSINESS_WORDS.isdisjoint(telling(child.name))
    )


def _is_piece(table: SurveyedTable, child: SurveyedTable) -> bool:
    """Whether the child is called after the table, as `session_data` is."""
    own, other = telling(table.name), telling(child.name)
    longer = [*words_of_name(child.name)]
    return len(longer) > len(own) and other[: len(own)] == own and BUSINESS_WORDS.isdisjoint(other)


def _columns(names: list[str]) -> str:
    return f"{'column' if len(names) == 1 else 'columns'} {_listed(names[:3])}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
