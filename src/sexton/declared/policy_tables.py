"""Reads `[policies.NAME]`: finds the kind by the key that names the table, and hands the rest to its settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

from ..config import dotted, read_at
from ..config.policy_settings import PolicySettings, SettingPlace
from ..errors import SettingsError, SettingsErrors, SextonError, suggestion
from ..setting_fields import default_of
from .kinds.contract import PolicyKind
from .kinds.registry import BUILT_IN_KINDS, kind_type, names

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a policy may be called; its job is `policies.NAME`."""


def read_policy(written: Mapping[str, object], path: tuple[str, ...], place: SettingPlace = dotted) -> PolicyKind:
    """The policy of the table at `path`. SettingsError, a line for each fault, which begins with its place.

    A key that belongs to another kind, and holds what it holds there by default, says nothing, and is let pass.
    """
    kind = _kind(written, path, place)
    own = {declared.name for declared in fields(kind)}
    meant, misplaced = dict[str, object](), list[SextonError]()
    for key, value in written.items():
        strangers = [] if key in own else [other for other in map(kind_type, BUILT_IN_KINDS) if _has(other, key)]
        if strangers and key not in BUILT_IN_KINDS:
            usual = [default_of(declared) for other in strangers for declared in fields(other) if declared.name == key]
            if value in [list(one) if isinstance(one, tuple) else one for one in usual]:
                continue
            misplaced.append(SettingsError(f"{place((*path, key))}: {key} has no meaning for {kind.action}"))
            continue
        meant[key] = value
    try:
        found = read_at(kind, meant, path, place)
    except SettingsError as error:
        misplaced.append(error)
    if misplaced:
        raise SettingsErrors(misplaced)
    return found


def _kind(written: Mapping[str, object], path: tuple[str, ...], place: SettingPlace) -> type[PolicyKind]:
    """Of the one key that names a table. SettingsError where there is none, or several."""
    given = [name for name in BUILT_IN_KINDS if name in written]
    if len(given) == 1 and all(_has(kind_type(given[0]), key) for key in written):
        return kind_type(given[0])  # the usual case loads no other kind
    shared = {declared.name for declared in fields(PolicySettings)}
    known = shared.union(*({declared.name for declared in fields(kind_type(name))} for name in BUILT_IN_KINDS))
    strange = [key for key in written if key not in known]
    if strange or len(given) != 1:
        given = [name for name in names() if name in written]
    if len(given) == 1:
        return kind_type(given[0])
    if strange and not given:
        raise SettingsError(f"{place((*path, strange[0]))}: unknown key{suggestion(strange[0], known.union(names()))}")
    kinds = ", ".join(names())
    raise SettingsError(f"{place(path)}: exactly one of {kinds} names the table; here are {len(given)}")


def _has(kind: type[PolicyKind], key: str) -> bool:
    return any(declared.name == key for declared in fields(kind))


def policies_of(
    written: Mapping[str, Mapping[str, object]], place: SettingPlace = dotted
) -> tuple[dict[str, PolicyKind], dict[str, SettingsError]]:
    """The policies of a settings file by name, and what is wrong with each of the others.

    place: tells where a key stands, for messages.
    """
    found: dict[str, PolicyKind] = {}
    wrong: dict[str, SettingsError] = {}
    for name, table in written.items():
        here = ("policies", name)
        try:
            if not NAME.fullmatch(name):
                raise SettingsError(
                    f"{place(here)}: a name is lower-case letters, digits and _, such as stale_sessions"
                )
            found[name] = read_policy(table, here, place)
        except SettingsError as error:
            wrong[name] = error
    # One that waits for what cannot be loaded cannot be, either; and so on along the line.
    while late := {name: why for name in found if (why := _waits_in_vain(found, wrong, name)) is not None}:
        for name, why in late.items():
            del found[name]
            wrong[name] = SettingsError(f"{place(('policies', name, 'before'))}: {why}")
    return found, wrong


def _waits_in_vain(found: Mapping[str, PolicyKind], wrong: Mapping[str, SettingsError], name: str) -> str | None:
    """Why the policy that this one waits for will never have been through; None: it will, or it waits for none."""
    before = found[name].before
    if before is None or "." in before:  # the job of a roll-up, which the database knows
        return None
    if before in wrong:
        return f"policy {before!r} cannot be loaded"
    if before not in found or before == name:
        return f"there is no other policy {before!r}{suggestion(before, (other for other in found if other != name))}"
    line = [name]
    while (after := found[line[-1]].before) is not None and after in found and after not in line:
        line.append(after)
    return f"they wait for each other: {' before '.join([*line, name])}" if after == name else None
