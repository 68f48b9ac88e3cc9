"""Finds kinds of policies by their names: those of this folder, one file each, and those of other packages.

Another package names its own as entry points of the group `sexton.policy_kinds`. Which are installed is looked up only
where a key of a policy is none that the built-in ones know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import SettingsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .contract import PolicyKind

KIND_ENTRY_POINTS = "sexton.policy_kinds"

BUILT_IN_KINDS = {
    "purge": "PurgeSettings",
    "archive": "ArchiveSettings",
    "transition": "TransitionSettings",
    "anonymise": "AnonymiseSettings",
    "warn": "WarnSettings",
}
"""The kinds of this folder: each in the file of its name."""


def names() -> list[str]:
    """Those of all kinds there are: the built-in ones first."""
    return [*BUILT_IN_KINDS, *(name for name in _installed() if name not in BUILT_IN_KINDS)]


@cache
def kind_type(name: str) -> type[PolicyKind]:
    """The settings of the kind, one of `names()`. SettingsError when it cannot be loaded."""
    if name in BUILT_IN_KINDS:
        found: type[PolicyKind] = getattr(import_module(f"sexton.declared.kinds.{name}"), BUILT_IN_KINDS[name])
        return found
    return _loaded(_installed()[name])


@cache
def _installed() -> Mapping[str, EntryPoint]:
    from importlib.metadata import entry_points  # looks through all that is installed

    return {one.name: one for one in entry_points(group=KIND_ENTRY_POINTS)}


def _loaded(point: EntryPoint) -> type[PolicyKind]:
    from ...jobs.foreign_code import guarded
    from .contract import PolicyKind

    about = f"policy kind {point.name}: {point.value}"
    with guarded(f"{about} cannot be loaded", SettingsError, point.module):
        found = point.load()
    if not (isinstance(found, type) and issubclass(found, PolicyKind) and is_dataclass(found)):
        raise SettingsError(f"{about} is no kind of policy; it must be a dataclass made from PolicyKind")
    declared = {one.name: one for one in fields(found)}
    if getattr(found, "action", None) != point.name or point.name not in declared:
        raise SettingsError(f'{about} must have action = "{point.name}", and a setting of that name for the table')
    if any(MISSING is one.default and MISSING is one.default_factory for one in declared.values()):
        raise SettingsError(f"{about}: each of its settings must have a default; check() says which it needs")
    if found.__abstractmethods__:
        raise SettingsError(f"{about} does not have {', '.join(sorted(found.__abstractmethods__))}()")
    return found
