"""Types that an argument of a job on demand may have: how each is kept as JSON, and read back."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from math import inf, isfinite
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

DEEPEST = 50
"""Lists and dictionaries inside each other."""

MAX_BITS = 4_096
"""Of a whole number: 1,233 digits. Python reads none beyond some thousand digits."""


class Misfitting(ValueError):
    """A value is not of the type; the text goes on after the argument's name: "must be a whole number, not text"."""


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """One type. write: a value as JSON holds it.  read: back.  Both raise Misfitting, without the value.

    words: what it is, for people.  text_first: a text that a person typed is meant as it is, before it is read as JSON.
    """

    words: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    text_first: bool = False


def argument_type(annotation: Any) -> ArgumentType:
    """The type for an annotation. TypeError, in one line, for one that cannot be carried."""
    if annotation is Any or annotation is object:
        return ArgumentType("what JSON holds", plain, _same, text_first=True)
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union([argument_type(one) for one in inner])
    if origin is Literal:
        return _literal(inner)
    if origin is list or annotation is list:
        return _list(argument_type(inner[0] if inner else Any))
    if origin in (dict, Mapping) or annotation is dict:
        if inner and inner[0] is not str:
            raise TypeError("the keys of a dictionary must be str")
        return _dictionary(argument_type(inner[1] if inner else Any))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enumeration(annotation)
    named = getattr(annotation, "__name__", annotation)
    raise TypeError(f"{named} cannot be carried; use what JSON holds, dates, Decimal, UUID or an Enum")


def plain(value: Any, depth: int = 0) -> Any:
    """The value itself, if JSON holds it and a database keeps it. Misfitting."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _int(value)
    if isinstance(value, float):
        return _finite(value)
    if depth > DEEPEST:
        raise Misfitting(f"is more than {DEEPEST} deep")
    if isinstance(value, list | tuple):
        return [plain(one, depth + 1) for one in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise Misfitting("must have texts as keys")
        return {_text(key): plain(one, depth + 1) for key, one in value.items()}
    raise Misfitting(f"must be what JSON holds, not {type(value).__name__}; annotate it to carry dates and the like")


def _same(value: Any) -> Any:
    return value


def _text(value: str) -> str:
    if "\0" in value:
        raise Misfitting("holds a NUL, which no database keeps")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Misfitting("holds half a surrogate pair, which is no character") from None
    return str.__str__(value)  # str() of an Enum that is a text as well is its name


def _int(value: int) -> int:
    if value.bit_length() > MAX_BITS:
        raise Misfitting("must be a whole number of no more than a thousand digits")
    return int(value)


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not isfinite(number):
        raise Misfitting("must be a finite number")
    return number


def _of(kinds: type | tuple[type, ...], words: str, then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise Misfitting(f"must be {words}, not {type(value).__name__}")
        return then(value)

    return check


def _read_by(words: str, read: Callable[[str], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return read(value)
            except (ValueError, InvalidOperation, OverflowError):
                pass
        raise Misfitting(f"must be {words}")

    return check


def _with_offset(value: datetime) -> str:
    if value.utcoffset() is None:
        raise Misfitting("must be a datetime with its zone: without one nobody knows which instant it is")
    return value.isoformat()


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.utcoffset() is None:
        raise ValueError
    return value


def _date_alone(value: date) -> str:
    if isinstance(value, datetime):
        raise Misfitting("must be a date, not datetime")
    return value.isoformat()


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError
    return value


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        raise Misfitting("must be a finite number")
    return str(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Misfitting(f"must be true or false, not {type(value).__name__}")
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise Misfitting(f"must be nothing, not {type(value).__name__}")


def _simple(words: str, kind: type, write: Callable[[Any], Any], read: Callable[[str], Any]) -> ArgumentType:
    return ArgumentType(words, _of(kind, words, write), _read_by(words, read))


_WHOLE = _of(int, "a whole number", _int)
_NUMBER = _of((int, float), "a number", _finite)
_LETTERS = _of(str, "text", _text)

_SIMPLE: Mapping[Any, ArgumentType] = {
    int: ArgumentType("a whole number", _WHOLE, _WHOLE),
    float: ArgumentType("a number", _NUMBER, _NUMBER),
    str: ArgumentType("text", _LETTERS, _LETTERS, text_first=True),
    bool: ArgumentType("true or false", _boolean, _boolean),
    None: ArgumentType("nothing", _nothing, _nothing),
    type(None): ArgumentType("nothing", _nothing, _nothing),
    datetime: _simple("a datetime with its zone", datetime, _with_offset, _instant),
    date: _simple("a date", date, _date_alone, date.fromisoformat),
    time: _simple("a time of day", time, time.isoformat, time.fromisoformat),
    Decimal: _simple("a decimal number", Decimal, _decimal_text, _decimal),
    UUID: _simple("a UUID", UUID, str, UUID),
}


def _union(kinds: list[ArgumentType]) -> ArgumentType:
    words = " or ".join(kind.words for kind in kinds)
    careful = sorted(kinds, key=lambda kind: kind.text_first)  # a date before the text that it would also be

    def first(tries: list[Callable[[Any], Any]], value: Any) -> Any:
        for attempt in tries:
            try:
                return attempt(value)
            except Misfitting:
                continue
        raise Misfitting(f"must be {words}, not {type(value).__name__}")

    def read(value: Any) -> Any:
        return first([kind.read for kind in careful], value)

    def write(value: Any) -> Any:
        written = first([kind.write for kind in kinds], value)
        if not _alike(read(written), value):  # "2026-12-01" for `date | str`
            raise Misfitting(f"would come back as something else: {words} cannot be told apart in it")
        return written

    return ArgumentType(words, write, read, text_first=careful[0].text_first)


def _alike(read: Any, given: Any) -> bool:
    """Whether what comes back is what was given; a tuple comes back as a list."""
    if isinstance(given, list | tuple) and isinstance(read, list):
        return len(read) == len(given) and all(map(_alike, read, given))
    if isinstance(given, Mapping) and isinstance(read, dict):
        return read.keys() == given.keys() and all(_alike(read[key], given[key]) for key in given)
    return bool(read == given)


def _literal(values: tuple[Any, ...]) -> ArgumentType:
    if not all(type(value) in (str, int, bool, type(None)) for value in values):
        raise TypeError("a Literal of members or bytes cannot be carried; use the Enum itself, or text")
    words = "one of " + ", ".join(repr(value) for value in values)

    def check(value: Any) -> Any:
        if not any(value == one and type(value) is type(one) for one in values):
            raise Misfitting(f"must be {words}")
        return plain(value)

    return ArgumentType(words, check, check, text_first=all(isinstance(value, str) for value in values))


def _list(kind: ArgumentType) -> ArgumentType:
    def each(value: Any, do: Callable[[Any], Any]) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise Misfitting(f"must be a list, not {type(value).__name__}")
        return [do(one) for one in value]

    return ArgumentType("a list", lambda value: each(value, kind.write), lambda value: each(value, kind.read))


def _dictionary(kind: ArgumentType) -> ArgumentType:
    def each(value: Any, do: Callable[[Any], Any]) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise Misfitting(f"must be a dictionary with texts as keys, not {type(value).__name__}")
        return {_text(key): do(one) for key, one in value.items()}

    return ArgumentType("a dictionary", lambda value: each(value, kind.write), lambda value: each(value, kind.read))


def _enumeration(kind: type[Enum]) -> ArgumentType:
    words = f"one of {', '.join(str(member.value) for member in kind)}"

    def write(value: Any) -> Any:
        if not isinstance(value, kind):
            raise Misfitting(f"must be a {kind.__name__}, not {type(value).__name__}")
        written = plain(value.value)
        with suppress(Exception):  # a tuple comes back as a list, and that is no member
            if kind(written) == value:
                return written
        raise Misfitting("has a value that JSON does not bring back")

    def read(value: Any) -> Any:
        try:
            return kind(value)
        except Exception:  # ValueError; or whatever its own `_missing_` raises
            raise Misfitting(f"must be {words}") from None

    return ArgumentType(words, write, read, text_first=all(isinstance(member.value, str) for member in kind))
