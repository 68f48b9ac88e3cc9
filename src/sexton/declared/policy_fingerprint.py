"""What `sexton arm` confirms of a policy of the settings file: its normal form, and the forms of earlier versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..config.child_settings import ChildSettings, children_of
from ..config.fingerprint import PolicyForms, written_out
from ..config.policy_settings import PolicySettings
from ..jobs.fingerprints import digits, of_rule
from ..jobs.span import parse_span
from .kinds.registry import BUILT_IN_KINDS, kind_type

UNCONFIRMED = ("schedule", "timezone", "timeout", "priority", "limit", "batch", "order", "into")
"""Settings that may change without the policy being another one: when and how fast rows go, not which. Where files of
`into` lie is on record beside the rule."""

_AS_GIVEN = (
    *("by", "boundary", "keep_last", "unit", "zone", "zone_column", "zone_parent", "unless_referenced_by"),
    *("set", "event", "to", "message", "group"),
)

LENGTHS = ("older_than", "newer_than")
"""Operators of `only` whose value is a length of time."""


def definition_of(settings: PolicySettings, others: Mapping[str, PolicySettings] | None = None) -> str:
    """Fingerprint over all that decides which rows are touched, and how, and the share of the table that may go.

    others: the policies of the same file, as `before` names one of them.
    """
    return of_rule(normal_form(settings, others or {}), settings.max_share)


def normal_form(settings: PolicySettings, others: Mapping[str, PolicySettings]) -> dict[str, Any]:
    """Every setting of the rule with its effective value in one spelling, and the rule that `before` names.

    What only the table can tell (the columns of a message, by default) stands as it is given. A setting that its kind
    has not, and others have, stands with what means nothing; those that only a kind of another package has follow.
    """
    other = others.get(settings.before or "")
    form: dict[str, Any] = {
        "action": settings.action,
        "table": settings.table,
        "kind": "birth" if settings.born else "deadline",
        "keep": _length(settings.keep or "0s"),
        "ahead": _length(settings.ahead) if settings.ahead else None,
        "only": _conditions(settings.only),
        "before": [settings.before, other and normal_form(other, others)],
        "children": _children(children_of(settings.children)),
        **{name: sorted(_effective(settings, name)) for name in ("per", "clear", "once_per")},
        **{name: _effective(settings, name) for name in _AS_GIVEN},
    }
    known = {*form, *_FIRST, *UNCONFIRMED, "max_share", settings.action}
    own = {one.name: getattr(settings, one.name) for one in fields(settings) if one.name not in known}
    return form | ({"own": own} if own else {})


def forms_of(written: Mapping[str, Mapping[str, object]], found: Mapping[str, PolicySettings]) -> PolicyForms:
    """The policies of a settings file, for the fingerprint of all settings.

    found: those that can be read, which count with their effective values; the others as they are written.
    """
    forms: dict[str, Any] = {name: table for name, table in written.items() if name not in found}
    # Of all kinds of ours, not of those in use: with another kind of policy the settings are others, not the version.
    names = {declared.name for kind in BUILT_IN_KINDS for declared in fields(kind_type(kind))}
    for name, settings in found.items():
        whole = written_out(settings)
        forms[name] = normal_form(settings, found) | {one: whole.get(one) for one in (*UNCONFIRMED, "max_share")}
    return PolicyForms(forms, tuple(sorted(names)))


def _effective(settings: PolicySettings, name: str) -> Any:
    return getattr(settings, name, _FIRST[name])


def _length(written: str) -> str:
    return parse_span(written).as_text()


def _conditions(only: object) -> object:
    """Lists of alternatives in any order, lengths in one spelling; SQL as it is written."""
    if not isinstance(only, Mapping):
        return str(only).strip()
    return {name: _condition(asked) for name, asked in only.items()}


def _condition(asked: object) -> object:
    if isinstance(asked, Mapping):
        return {
            word: _length(value) if word in LENGTHS and isinstance(value, str) else _condition(value)
            for word, value in asked.items()
        }
    return sorted(asked, key=digits) if isinstance(asked, list | tuple) else asked


def _children(children: tuple[ChildSettings, ...]) -> list[Any]:
    ordered = sorted(children, key=lambda child: child.table)
    return [[child.table, child.columns, child.action, _children(child.children)] for child in ordered]


_GIVEN_OR_NONE = (
    "purge archive transition anonymise warn keep keep_last ahead kind unit zone zone_column before event to"
)
_FIRST: Mapping[str, object] = {
    **dict.fromkeys((*_GIVEN_OR_NONE.split(), "group")),
    **{"by": "", "boundary": "<", "per": (), "clear": (), "message": (), "once_per": ()},
    **{"zone_parent": {}, "only": {}, "children": {}, "unless_referenced_by": {}, "set": {}},
}
"""Frozen: the settings that version 1 of the form held, and their defaults then, which it left out."""

_EARLIEST = frozenset(
    [
        "purge",
        "transition",
        "anonymise",
        "by",
        "keep",
        "kind",
        "boundary",
        "unit",
        "zone",
        "only",
        "children",
        "unless_referenced_by",
        "set",
        "clear",
    ]
)
"""Frozen: the settings of the first form of all, which wrote out every one as it was given."""


def earlier_definitions(settings: PolicySettings) -> tuple[str, ...]:
    """What earlier versions put on record for the same rule: revisions 0004 to 0012 of our tables hold such rows.

    They knew nothing of `max_share`, nor of the policy that `before` names.
    """
    values = {name: _effective(settings, name) for name in _FIRST}
    given = {name: value for name, value in values.items() if value != _FIRST[name]}
    found = [_as_then(given)]
    if given.keys() <= _EARLIEST:
        found.append(_as_then({name: values[name] for name in _EARLIEST}))
    return tuple(found)


def _as_then(form: Mapping[str, object]) -> str:
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
