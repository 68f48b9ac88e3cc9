"""Effect keys and subjects as SQL, and look-ups by them in the ledger and among the rows set aside.

What `sexton.db.effect_keys` specifies. Before keys were escaped and bounded, others stood for the same fact; they are
for, too, among what was stored before revision 0010, which has no `form`. So an upgrade tells nobody a second time and
forgets no row that was set aside, and what is written since is read in one way only (SEC-7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import True_
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, Integer, TypeEngine

from ..errors import PolicyError
from .column_types import UtcDateTime
from .effect_keys import COLON, COMMA, KEY_FORM, NULL_PART, escaped_part
from .key_parts import KeyPart, bounded, is_free_text, part
from .sql_expressions import JOB, SqlValue, as_text
from .time_parameters import ago

CURRENT_FORM = literal_column(str(KEY_FORM), Integer())
"""For the column `form` of what is written now."""


class composed_text(FunctionElement[str]):  # noqa: N801
    """A text that `text_key` or `subject_text` made of parts. `former_keys` tells under which others it may be stored.

    pairs: a text that stood for the same before, and on what condition on the effect that has it.
    ambiguous: whether the first of them may stand for something else as well.
    """

    type = Text()
    inherit_cache = True

    def __init__(
        self, text: ColumnElement[str], *pairs: tuple[ColumnElement[str], ColumnElement[bool]], ambiguous: bool = False
    ) -> None:
        super().__init__(text, *(one for pair in pairs for one in pair))
        self.ambiguous = ambiguous


@compiles(composed_text)
def _made(element: composed_text, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **kw)


def text_key(*parts: SqlValue, tail: Column[Any] | None = None) -> ColumnElement[str]:
    """An effect key: the parts joined by colons, `license_expired:17:2026-11-22T…`. NULL if any part is NULL.

    Texts in columns may hold anything: their colons are escaped, and a key never grows longer than an index takes
    (`sexton.db.effect_keys`). The first part is taken as it is. tail: one more, a time that has been found to be one.
    """
    first = as_text(parts[0]) if isinstance(parts[0], str) else _part(parts[0], COLON)
    last = [] if tail is None else [as_text(tail)]
    text = bounded(_joined([first, *(_part(one, COLON) for one in parts[1:]), *last], COLON))
    free = [one for one in parts if is_free_text(one)]
    if not free and all(one == escaped_part(one, COLON) for one in parts[1:] if isinstance(one, str)):
        return text
    former = _joined([*map(as_text, parts), *last], COLON)
    return composed_text(text, (former, true()), ambiguous=len(free) > 1)


def _joined(texts: Sequence[ColumnElement[str]], separator: str) -> ColumnElement[str]:
    whole = texts[0]
    for text in texts[1:]:
        whole = whole + as_text(separator) + text
    return whole


def _part(value: SqlValue, separator: str) -> ColumnElement[str]:
    if isinstance(value, str):
        return as_text(escaped_part(value, separator))
    if not isinstance(value, ColumnElement) or isinstance(value.type, KeyPart):
        return as_text(value)
    return part(value, separator)


def nullable_part(value: ColumnElement[Any]) -> ColumnElement[str]:
    """A part of a key that may be NULL; an instant without an ISO form, such as -infinity, as that has it."""
    return func.coalesce(_part(value, COLON), as_text(NULL_PART), type_=KeyPart())


def unescaped_key(*parts: SqlValue) -> ColumnElement[str]:
    """The key of these parts as it was made before keys were escaped."""
    return _joined([*map(as_text, parts)], COLON)


def with_former_key(
    key: ColumnElement[str], former: ColumnElement[str], when: ColumnElement[bool]
) -> ColumnElement[str]:
    """A key whose facts used to be on record as `former`, too. when: a condition on that effect, by `effect_column`."""
    return composed_text(key, (former, when))


class on_record(FunctionElement[bool]):  # noqa: N801
    """Whether an effect with this key is on record, that fulfils a condition. Use `told`."""

    type = Boolean()
    inherit_cache = True


@compiles(on_record)
def _on_record(element: on_record, compiler: SQLCompiler, **kw: Any) -> str:
    table = "sexton_effects" if compiler.dialect.name == "sqlite" else "sexton.effects"
    key, *more = [compiler.process(clause, **kw) for clause in element.clauses]
    conditions = "".join(f" AND {condition}" for condition in more)
    return f"EXISTS (SELECT 1 FROM {table} AS sexton_noticed WHERE sexton_noticed.key = {key}{conditions})"


def told(key: ColumnElement[str], *, age: str = "0s", subject: Sequence[Column[Any]] = ()) -> ColumnElement[bool]:
    """Whether the effect `key` is on record; with `age` ("24h"): on record for at least that long.

    subject: the key of the row, which tells apart what was stored when parts of keys were not escaped.
    """
    since = [] if age == "0s" else [effect_column("created_at", UtcDateTime()) <= ago(age)]
    known = [on_record(key, *since)]
    known += [on_record(former, condition, *since) for former, condition in former_keys(key, subject)]
    return or_(*known) if len(known) > 1 else known[0]


def delivered(key: ColumnElement[str], *, age: str = "0s", subject: Sequence[Column[Any]] = ()) -> ColumnElement[bool]:
    """Whether the message about the effect `key` has arrived; with `age` ("24h"): for at least that long.

    For a purge that is not to happen before somebody has been told: told is not delivered, as a mail may wait for days.
    subject: as in `told`.
    """
    since = effect_column("delivered_at", UtcDateTime()) <= ago(age)
    known = [on_record(key, since)]
    known += [on_record(former, condition, since) for former, condition in former_keys(key, subject)]
    return or_(*known) if len(known) > 1 else known[0]


def effect_column(name: str, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """A column of the effect that a condition is on."""
    return literal_column(f"sexton_noticed.{name}", kind)


def former_keys(
    key: ColumnElement[str], subject: Sequence[ColumnElement[Any]]
) -> list[tuple[ColumnElement[str], ColumnElement[bool]]]:
    """Keys under which the same fact may be on record since before, and the condition on that effect."""
    if not isinstance(key, composed_text) or (key.ambiguous and not subject):
        return []
    named = [effect_column("subject", Text()) == _joined([*map(as_text, subject)], COMMA)] if subject else []
    before = effect_column("form", Integer()).is_(None)
    return [(former, and_(former != key, before, condition, *named)) for former, condition in _pairs(key)]


def _pairs(text: ColumnElement[str]) -> list[tuple[ColumnElement[str], ColumnElement[bool]]]:
    """What stood for the same before, and on what condition."""
    if not isinstance(text, composed_text):
        return []
    _, *rest = text.clauses
    return list(zip(rest[::2], rest[1::2], strict=True))


def recorded_key(key: ColumnElement[str], subject: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
    """The key; or the one under which the fact is on record since before, so that it is told no second time."""
    formers = former_keys(key, subject)
    known = [(on_record(former, condition), former) for former, condition in formers]
    return case(*known, else_=key) if known else key


class set_aside(FunctionElement[bool]):  # noqa: N801
    """Whether `subject` is poison for `step` of the running job, and not yet due for another try.

    subject: the key column, or the text of a composite key.  step: the policy's name.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, step: str, subject: ColumnElement[Any]) -> None:
        job: BindParameter[str] = bindparam(JOB, type_=Text())
        name = subject_text([subject]) if isinstance(subject, Column) else as_text(subject)
        # Whoever is named so since before, if no other row was named so as well.
        formers = [former if isinstance(sure, True_) else case((sure, former)) for former, sure in _pairs(name)]
        super().__init__(job, as_text(step), ago("0s"), name, *formers)


@compiles(set_aside)
def _set_aside(element: set_aside, compiler: SQLCompiler, **kw: Any) -> str:
    table = "sexton_poison" if compiler.dialect.name == "sqlite" else "sexton.poison"
    job, step, at, name, *formers = [compiler.process(clause, **kw) for clause in element.clauses]
    is_subject = f"sexton_aside.subject = {name}"
    if formers:
        is_subject = (
            f"sexton_aside.subject IN ({', '.join((name, *formers))}) AND (sexton_aside.form IS NULL OR {is_subject})"
        )
    return (
        f"EXISTS (SELECT 1 FROM {table} AS sexton_aside WHERE sexton_aside.job = {job} AND sexton_aside.step = {step}"
        f" AND {is_subject} AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > {at}))"
    )


def subject_text(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
    """The key of a row as one text, as effects and poison name it; the parts of a composite key joined by commas.

    Of several columns texts are escaped, of one only a `~` that it begins with; all of it is bounded.
    """
    if not columns:
        raise PolicyError("a table without a key has no subjects")
    separator = COMMA if len(columns) > 1 else ""
    text = bounded(_joined([_part(column, separator) for column in columns], COMMA))
    if not any(map(is_free_text, columns)):
        return text
    former = _joined([*map(as_text, columns)], COMMA)
    only_one = func.length(former) - func.length(func.replace(former, as_text(COMMA), as_text(""))) == len(columns) - 1
    return composed_text(text, (former, only_one if len(columns) > 1 else true()))
