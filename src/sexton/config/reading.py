"""Turn tables of settings into dataclasses, refusing whatever cannot be right.

`read_into` is the whole of it for packs. `checked` and `assemble` are its two steps, for settings that come
from several places: each place is checked alone, then all are laid over each other and fitted together.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from ..errors import SettingsError, SettingsErrors, suggestion
from ..setting_fields import (
    PLAIN,
    NamedGroups,
    SettingPath,
    SettingRule,
    annotations_of,
    default_of,
    dotted,
    is_group,
    leaves,
    rule_of,
)
from .value_types import WORDS, check_kind, type_in_words

T = TypeVar("T")
LARGEST_INTEGER = 2**63 - 1


class Problem(Exception):
    """What is wrong with the setting at `path`; `str()` of it says what would be right. each: with its like."""

    def __init__(self, path: SettingPath, text: str) -> None:
        self.path = path
        self.each: tuple[Problem, ...] = (self,)
        super().__init__(text)


class Problems(Problem):
    """What is wrong with several settings; it stands for the first."""

    def __init__(self, each: Sequence[Problem]) -> None:
        super().__init__(each[0].path, str(each[0]))
        self.each = tuple(each)


def read_into(cls: type[T], mapping: Mapping[str, object], *, where: str) -> T:
    """An instance of the dataclass `cls` from a table as TOML gives it.

    Fields may be str, int, float, bool, those `| None`, tuple[X, ...], dict[str, X], another dataclass, or
    `object` for anything. `setting()` adds kinds and limits. What is left out keeps its default. A method
    `check()` of the dataclass is called at the end and raises ValueError when values do not fit together.
    where: begins each message, such as "sexton.toml: pack.marketplace".
    SettingsError, with a line for each unknown key, missing one, wrong type, impossible value; TypeError when the
    dataclass has a field of a type not listed here."""
    return read_at(cls, mapping, (), lambda path: f"{where}.{dotted(path)}" if path else where)


def read_at(cls: type[T], mapping: Mapping[str, object], path: SettingPath, place: Callable[[SettingPath], str]) -> T:
    """The same for the table at `path`; place: where a key stands, for messages."""
    try:
        return assemble(cls, checked(cls, mapping))
    except Problem as problem:
        raise refusal([f"{place((*path, *one.path))}: {one}" for one in problem.each]) from None


def refusal(lines: Sequence[str]) -> SettingsError:
    """The error that says all of these."""
    return SettingsError(lines[0]) if len(lines) == 1 else SettingsErrors(map(SettingsError, lines))


def checked(cls: type, mapping: Mapping[str, object], path: SettingPath = ()) -> dict[str, Any]:
    """The same table with every value checked and converted; groups stay tables. Raises Problem with all of it."""
    annotations = annotations_of(cls) if mapping else {}
    rules = {declared.name: rule_of(declared) for declared in fields(cls)} if mapping else {}
    result, wrong = dict[str, Any](), list[Problem]()
    for key, value in mapping.items():
        here = (*path, str(key))
        with _noted(wrong):
            if key not in rules:
                raise Problem(here, _unknown(cls, str(key)))
            groups = rules[key].groups
            if groups is not None:
                result[key] = _checked_by_name(groups, _table(value, rules[key], here), here)
            elif is_group(annotations[key]):
                result[key] = checked(annotations[key], _table(value, rules[key], here), here)
            else:
                result[key] = _converted(value, annotations[key], rules[key], here)
    _raise(wrong)
    return result


def assemble(cls: type[T], values: Mapping[str, Any], path: SettingPath = ()) -> T:
    """An instance from checked values. Raises Problem with all that is missing or does not fit together."""
    annotations = annotations_of(cls) if values else {}
    arguments, wrong = dict[str, Any](), list[Problem]()
    for declared in fields(cast(Any, cls)):
        here = (*path, declared.name)
        with _noted(wrong):
            if declared.name in values:
                value, annotation = values[declared.name], annotations[declared.name]
                if (groups := rule_of(declared).groups) is not None:
                    value = _assembled_by_name(groups, value, here)
                arguments[declared.name] = assemble(annotation, value, here) if is_group(annotation) else value
            elif default_of(declared) is MISSING:
                raise Problem(here, "this setting is missing and has no default; add it")
    _raise(wrong)
    instance = cls(**arguments)
    check = getattr(instance, "check", None)
    if values and check is not None:
        try:
            check()
        except (ValueError, SettingsError) as error:
            raise Problem((*path, *getattr(error, "keys", ())), str(error)) from None
    return instance


def _checked_by_name(groups: NamedGroups, tables: Mapping[str, object], path: SettingPath) -> dict[str, Any]:
    found: dict[str, Any] = {}
    wrong: list[Problem] = []
    for name, table in tables.items():
        here = (*path, name)
        with _noted(wrong):
            try:
                group = groups.one(name)
            except ValueError as error:
                raise Problem(here, str(error)) from None
            found[name] = checked(group, _table(table, PLAIN, here), here)
    _raise(wrong)
    return found


def _assembled_by_name(groups: NamedGroups, tables: Mapping[str, Any], path: SettingPath) -> dict[str, object]:
    """Each table as its own dataclass; one that sets nothing is left out, as if it were not there."""
    found: dict[str, object] = {}
    wrong: list[Problem] = []
    for name, table in tables.items():
        with _noted(wrong):
            found[name] = assemble(groups.one(name), table, (*path, name))
    _raise(wrong)
    return {name: group for name, group in found.items() if group != type(group)()}


@contextmanager
def _noted(wrong: list[Problem]) -> Iterator[None]:
    """What is wrong in here is kept, so that the rest is looked at, too."""
    try:
        yield
    except Problem as problem:
        wrong += problem.each


def _raise(wrong: Sequence[Problem]) -> None:
    if wrong:
        raise Problems(wrong)


def _unknown(cls: type, key: str) -> str:
    names = {declared.name for declared in fields(cls)}
    names.update(dotted(leaf) for leaf, _, _ in leaves(cls))
    return f"unknown key{suggestion(key, names)}"


def _converted(value: object, annotation: Any, rule: SettingRule, path: SettingPath) -> Any:
    if annotation is object or annotation is Any:
        return value
    if annotation in _SCALARS:
        return _SCALARS[annotation](value, rule, path)
    if is_group(annotation):
        return assemble(annotation, checked(annotation, _table(value, rule, path), path), path)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (annotation,) = (argument for argument in arguments if argument is not type(None))
        return _converted(value, annotation, rule, path)
    if origin in (tuple, list):
        return origin(_items(value, arguments[0], rule, path))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _by_name(_table(value, rule, path), arguments[1], rule, path)
    raise TypeError(f"a setting cannot have the type {annotation!r}")


def _by_name(table: Mapping[str, object], annotation: Any, rule: SettingRule, path: SettingPath) -> dict[str, Any]:
    # Limits and kind of the rule hold for the values as well, however deep.
    inner = SettingRule(kind=rule.kind, minimum=rule.minimum, maximum=rule.maximum, secret=rule.secret)
    result, wrong = dict[str, Any](), list[Problem]()
    for key, value in table.items():
        with _noted(wrong):
            _known_key(key, rule, path)
            if is_group(annotation):
                _name_is_whole(key, value, annotation, path)
            result[key] = _converted(value, annotation, inner, (*path, key))
    _raise(wrong)
    return result


def _items(value: object, annotation: Any, rule: SettingRule, path: SettingPath) -> Iterable[Any]:
    if not isinstance(value, list | tuple):
        raise Problem(path, _wrong_type("a list", value, rule))
    items, wrong = list[Any](), list[Problem]()
    for number, item in enumerate(value, start=1):
        try:
            converted = _converted(item, annotation, rule, path)
        except Problem as problem:
            wrong += (Problem(one.path, f"item {number}: {one}") for one in problem.each)
            continue
        if converted in items:
            wrong.append(Problem(path, f"item {number} stands in the list twice; keep one of them"))
        items.append(converted)
    _raise(wrong)
    return items


def _table(value: object, rule: SettingRule, path: SettingPath) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise Problem(path, _wrong_type("a table", value, rule))
    return value


def _known_key(key: str, rule: SettingRule, path: SettingPath) -> None:
    if not key:
        raise Problem(path, "a key is empty; name what the value belongs to")
    if rule.keys and key not in rule.keys:
        raise Problem((*path, key), f"unknown key{suggestion(key, rule.keys)}")


def _name_is_whole(key: str, group: object, cls: type, path: SettingPath) -> None:
    """[job.marketplace.expire_orders] without quotes is a table in a table: say so, it is easily written."""
    known = {declared.name for declared in fields(cls)}
    for inner, value in group.items() if isinstance(group, Mapping) else ():
        if inner not in known and isinstance(value, Mapping):
            whole = dotted((*path, f"{key}.{inner}"))
            raise Problem((*path, key, inner), f"a name with a dot stands in quotes; write [{whole}]")


def _text(value: object, rule: SettingRule, path: SettingPath) -> str:
    if not isinstance(value, str):
        raise Problem(path, _wrong_type(f"{WORDS[rule.kind]} in quotes", value, rule))
    if not value.strip():
        raise Problem(path, "the text is empty; give a value, or leave the setting out for its default")
    allowed = "" if rule.kind else "\n\t"
    if any(ord(character) < 32 or ord(character) == 127 for character in value if character not in allowed):
        raise Problem(path, "the text holds a control character, such as a line feed; write it on one line")
    try:
        check_kind(value, rule)
    except ValueError as error:
        raise Problem(path, str(error)) from None
    return value


def _integer(value: object, rule: SettingRule, path: SettingPath) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Problem(path, _wrong_type("a whole number", value, rule))
    if abs(value) > LARGEST_INTEGER:
        raise Problem(path, f"the number is too large{_limits(rule)}")
    _within(value, rule, path)
    return value


def _number(value: object, rule: SettingRule, path: SettingPath) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem(path, _wrong_type("a number", value, rule))
    if not abs(value) <= sys.float_info.max:  # so that nan, infinite and too large all end here
        raise Problem(path, f"must be a finite number{_limits(rule)}")
    _within(value, rule, path)
    return float(value)


def _boolean(value: object, rule: SettingRule, path: SettingPath) -> bool:
    if not isinstance(value, bool):
        raise Problem(path, _wrong_type("true or false, without quotes", value, rule))
    return value


_SCALARS: Mapping[Any, Any] = {str: _text, int: _integer, float: _number, bool: _boolean}


def _within(value: float, rule: SettingRule, path: SettingPath) -> None:
    low, high = rule.minimum, rule.maximum
    if (low is not None and value < float(low)) or (high is not None and value > float(high)):
        raise Problem(path, f"{value} is out of range{_limits(rule)}")


def _limits(rule: SettingRule) -> str:
    if rule.minimum is not None and rule.maximum is not None:
        return f"; write a number from {rule.minimum} to {rule.maximum}"
    if rule.minimum is not None:
        return f"; write at least {rule.minimum}"
    return f"; write at most {rule.maximum}" if rule.maximum is not None else ""


def _wrong_type(wanted: str, value: object, rule: SettingRule) -> str:
    return f"must be {wanted}, not {type_in_words(value)}" + (f"; {rule.hint}" if rule.hint else "")
