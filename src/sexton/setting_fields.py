"""How a setting is declared: once, as a dataclass field with its default, meaning, kind and limits.

Reading, checking, the templates, the JSON schema and the manual are all made from what stands here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, cast, get_type_hints

T = TypeVar("T")
Limit = int | float | str
SettingPath = tuple[str, ...]
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class NamedGroups:
    """The groups of a table such as `[channel]`: each found by its name, with a dataclass of its own.

    one: its dataclass; ValueError, with what there is, for a name that nobody has.  all: those there are, by name.
    """

    one: Callable[[str], type]
    all: Callable[[], Mapping[str, type]]


@dataclass(frozen=True, slots=True)
class SettingRule:
    """What is known about one setting beyond its type; all of it may be empty.

    kind: a name of `config.value_types.KINDS`, by which text is checked ("duration", "timezone", …); "" takes any text.
    minimum, maximum: limits, both allowed themselves; text such as "1d" for a duration.
    secret: never shown, neither by repr() nor in errors.
    hint: added to the error about a wrong type.  keys: the only keys that a table may have; () means any.
    example: a value for the templates, where the default shows nothing.
    groups: of a mapping whose values are groups of settings, each with a dataclass of its own.
    """

    meaning: str = ""
    kind: str = ""
    minimum: Limit | None = None
    maximum: Limit | None = None
    secret: bool = False
    hint: str = ""
    keys: Sequence[str] = ()
    example: object = None
    groups: NamedGroups | None = None


PLAIN = SettingRule()

KEPT_BY_A_VARIABLE = "env:"
"""How a setting says that a variable of the environment has its value: `env:NAME`."""


class VariableMissing(ValueError):
    """The variable that is to have the value is not set. name: of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def value_of(text: str) -> str:
    """What a setting holds, or what the variable holds that it names. VariableMissing where that is not set."""
    if not text.startswith(KEPT_BY_A_VARIABLE):
        return text
    name = text.removeprefix(KEPT_BY_A_VARIABLE)
    value = os.environ.get(name, "")
    if not value or value.startswith(KEPT_BY_A_VARIABLE):
        raise VariableMissing(name)
    return value


class Misfit(ValueError):
    """Settings that are right alone and wrong together. keys: the one to blame, from the group that was checked."""

    def __init__(self, text: str, *keys: str) -> None:
        self.keys = keys
        super().__init__(text)


def setting(
    default: T,
    meaning: str,
    *,
    kind: str = "",
    minimum: Limit | None = None,
    maximum: Limit | None = None,
    secret: bool = False,
    hint: str = "",
    keys: Sequence[str] = (),
    example: object = None,
    groups: NamedGroups | None = None,
) -> T:
    """Declare a field of a dataclass as a setting: `keep: str = setting("3d", "…", kind="duration")`.

    `default` is not checked, so that start-up stays fast; check it in a test. A dict is copied for each
    instance. The other parameters are those of `SettingRule`."""
    metadata = {"rule": SettingRule(meaning, kind, minimum, maximum, secret, hint, keys, example, groups)}
    if isinstance(default, dict):
        return cast(T, field(default_factory=default.copy, repr=not secret, metadata=metadata))
    return field(default=default, repr=not secret, metadata=metadata)


def rule_of(declared: Field[Any]) -> SettingRule:
    """The rule that `setting()` attached to a field; an empty one for a field declared without it."""
    return cast(SettingRule, declared.metadata.get("rule", PLAIN))


def default_of(declared: Field[Any]) -> Any:
    """The default of a field, or `dataclasses.MISSING` when the setting must be given."""
    return declared.default if declared.default_factory is MISSING else declared.default_factory()


def annotations_of(cls: type) -> dict[str, Any]:
    """The types of a dataclass's fields, as objects."""
    return get_type_hints(cls)


def is_group(annotation: Any) -> bool:
    """Whether a field of this type is a group of further settings, that is, a table of its own."""
    return isinstance(annotation, type) and is_dataclass(annotation)


def leaves(
    cls: type, path: tuple[str, ...] = (), *, named: bool = True
) -> Iterator[tuple[tuple[str, ...], Field[Any], Any]]:
    """Every setting of a dataclass and its groups, in the order declared: key path, field, type.

    named: also those of groups that are found by name, each of which is imported for that."""
    annotations = annotations_of(cls)
    for declared in fields(cls):
        here, annotation, found = (*path, declared.name), annotations[declared.name], rule_of(declared).groups
        if found is not None:
            for name, group in found.all().items() if named else ():
                yield from leaves(group, (*here, name), named=named)
        elif is_group(annotation):
            yield from leaves(annotation, here, named=named)
        else:
            yield here, declared, annotation


def groups(cls: type, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type]]:
    """Every group below a dataclass that has settings of its own: key path, dataclass."""
    annotations = annotations_of(cls)
    for declared in fields(cls):
        here, annotation, named = (*path, declared.name), annotations[declared.name], rule_of(declared).groups
        below = {here: annotation} if is_group(annotation) else {}
        if named is not None:
            below = {(*here, name): group for name, group in named.all().items()}
        for place, group in below.items():
            if own_settings(group):
                yield place, group
            yield from groups(group, place)


def own_settings(cls: type) -> list[Field[Any]]:
    """The settings of a dataclass itself, without its groups."""
    annotations = annotations_of(cls)
    return [
        declared
        for declared in fields(cls)
        if not is_group(annotations[declared.name]) and rule_of(declared).groups is None
    ]


def dotted(path: Sequence[str]) -> str:
    """A key path as TOML writes it: run.lease, job."marketplace.expire_orders".timeout."""
    return ".".join(part if BARE_KEY.fullmatch(part) else toml_string(part) for part in path)


def toml_string(text: str) -> str:
    """Quoted as TOML writes it; what has no shape of its own is an escape."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}"
