"""What arming a policy confirms: its normal form, what is no part of it, and the forms of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import pytest

from sexton.config import read_into
from sexton.config.policy_settings import PolicySettings
from sexton.declared.kinds.purge import PurgeSettings
from sexton.declared.kinds.registry import BUILT_IN_KINDS, kind_type
from sexton.declared.policy_fingerprint import UNCONFIRMED, definition_of, earlier_definitions
from sexton.declared.policy_tables import read_policy
from sexton.jobs.fingerprints import confirms
from sexton.setting_fields import setting

Written = Mapping[str, Any]
PURGE: Written = {"purge": "sessions", "by": "ends"}
KEPT: Written = {**PURGE, "keep": "30d"}
CHANGED: Written = {"transition": "sessions", "by": "ends", "set": {"state": "over"}}
TOLD: Written = {**CHANGED, "event": "over"}


def read(written: Written, kind: type[PolicySettings] | None = None) -> PolicySettings:
    """As the settings file gives it."""
    if kind is None:
        return read_policy(written, ("policies", "tidy"))
    return read_into(kind, written, where="policies.tidy")


def definition(written: Written, **others: Written) -> str:
    return definition_of(read(written), {name: read(other) for name, other in others.items()})


OTHERS: Mapping[str, tuple[Written, Written]] = {
    "purge": (PURGE, {**PURGE, "purge": "tokens"}),
    "archive": (PURGE, {"archive": "sessions", "by": "ends"}),
    "transition": (CHANGED, {**CHANGED, "transition": "tokens"}),
    "anonymise": (CHANGED, {"anonymise": "sessions", "by": "ends", "set": {"state": "over"}}),
    "warn": ({"warn": "sessions", "by": "ends"}, {"warn": "tokens", "by": "ends"}),
    "by": (PURGE, {**PURGE, "by": "made"}),
    "keep": (KEPT, {**KEPT, "keep": "29d"}),
    "keep_last": (PURGE, {**PURGE, "keep_last": 3}),
    "per": ({**PURGE, "keep_last": 3}, {**PURGE, "keep_last": 3, "per": ["shop"]}),
    "ahead": ({"warn": "sessions", "by": "ends"}, {"warn": "sessions", "by": "ends", "ahead": "14d"}),
    "kind": (KEPT, {**KEPT, "kind": "deadline"}),
    "boundary": (PURGE, {**PURGE, "boundary": "<="}),
    "unit": ({**PURGE, "unit": "s"}, {**PURGE, "unit": "ms"}),
    "zone": (PURGE, {**PURGE, "zone": "Europe/Berlin"}),
    "zone_column": (PURGE, {**PURGE, "zone_column": "tz"}),
    "zone_parent": ({**PURGE, "zone_column": "tz"}, {**PURGE, "zone_column": "tz", "zone_parent": {"shops": "shop"}}),
    "only": (PURGE, {**PURGE, "only": {"state": "done"}}),
    "children": (PURGE, {**PURGE, "children": {"notes": "session"}}),
    "unless_referenced_by": (PURGE, {**PURGE, "unless_referenced_by": {"orders": "session"}}),
    "before": (PURGE, {**PURGE, "before": "mark"}),
    "set": (CHANGED, {**CHANGED, "set": {"state": "gone"}}),
    "clear": (CHANGED, {**CHANGED, "clear": ["email"]}),
    "event": (CHANGED, TOLD),
    "to": (TOLD, {**TOLD, "to": "email"}),
    "message": (TOLD, {**TOLD, "message": ["id"]}),
    "once_per": (TOLD, {**TOLD, "once_per": ["id"]}),
    "group": ({"archive": "sessions", "by": "ends"}, {"archive": "sessions", "by": "ends", "group": "backup"}),
}
"""For each setting that decides which rows go, and how: two policies that differ in it."""

FREE: Mapping[str, tuple[Written, Written]] = {
    "schedule": (PURGE, {**PURGE, "schedule": "@hourly"}),
    "timezone": (PURGE, {**PURGE, "timezone": "Europe/Berlin"}),
    "timeout": (PURGE, {**PURGE, "timeout": "9m"}),
    "priority": (PURGE, {**PURGE, "priority": 7}),
    "limit": (PURGE, {**PURGE, "limit": 7}),
    "batch": (PURGE, {**PURGE, "batch": 7}),
    "order": (PURGE, {**PURGE, "order": ["state"]}),
    "into": ({"archive": "sessions", "by": "ends"}, {"archive": "sessions", "by": "ends", "into": "kept"}),
}
"""For each of the others."""


def test_every_setting_is_confirmed_or_is_known_to_be_free() -> None:
    names = {declared.name for kind in map(kind_type, BUILT_IN_KINDS) for declared in fields(kind)}
    assert names == {*OTHERS, *FREE, "max_share"}
    assert set(FREE) == set(UNCONFIRMED)


@pytest.mark.parametrize("name", OTHERS)
def test_what_decides_which_rows_go_is_another_policy(name: str) -> None:
    one, other = (definition(written, mark=CHANGED) for written in OTHERS[name])
    assert not confirms(one, other)
    assert not confirms(other, one)


@pytest.mark.parametrize("name", FREE)
def test_when_and_how_fast_they_go_is_not(name: str) -> None:
    one, other = (definition(written) for written in FREE[name])
    assert confirms(one, other)


SAME: list[tuple[Written, Written]] = [
    (KEPT, {**KEPT, "keep": "30 days"}),
    (KEPT, {**KEPT, "kind": "birth"}),
    ({**PURGE, "keep": "2 years"}, {**PURGE, "keep": "24 months"}),
    (PURGE, {**PURGE, "boundary": "<", "kind": "deadline", "keep": "0s"}),
    ({**PURGE, "only": {"state": ["a", "b"]}}, {**PURGE, "only": {"state": ["b", "a"]}}),
    ({**PURGE, "only": {"made": {"older_than": "1d"}}}, {**PURGE, "only": {"made": {"older_than": "24h"}}}),
    (
        {**PURGE, "children": {"a": "x", "b": "y"}},
        {**PURGE, "children": {"b": {"column": "y"}, "a": {"column": ["x"]}}},
    ),
    ({**CHANGED, "clear": ["a", "b"]}, {**CHANGED, "clear": ["b", "a"]}),
]
"""Two spellings of one policy."""


@pytest.mark.parametrize(("one", "other"), SAME)
def test_another_spelling_is_no_other_policy(one: Written, other: Written) -> None:
    assert definition(one) == definition(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({**PURGE, "only": {"made": date(2026, 1, 1)}}, {**PURGE, "only": {"made": "2026-01-01"}}),
        ({**PURGE, "only": {"state": "1"}}, {**PURGE, "only": {"state": 1}}),
        ({**PURGE, "only": "state = 'a  b'"}, {**PURGE, "only": "state = 'a b'"}),
        ({**TOLD, "message": ["id", "made"]}, {**TOLD, "message": ["made", "id"]}),
    ],
)
def test_what_only_looks_alike_is_another(one: Written, other: Written) -> None:
    assert not confirms(definition(one), definition(other))


@pytest.mark.parametrize(("armed", "now", "confirmed"), [(0.2, 0.3, False), (0.2, 1.0, False), (0.2, 0.1, True)])
def test_a_larger_share_has_to_be_confirmed_and_a_smaller_one_has_not(
    armed: float, now: float, confirmed: bool
) -> None:
    one, other = (definition({**PURGE, "max_share": share}) for share in (armed, now))
    assert confirms(one, other) is confirmed


def test_the_policy_that_is_waited_for_is_part_of_it_and_those_that_it_waits_for() -> None:
    tidy, mark = {**PURGE, "before": "mark"}, {**CHANGED, "before": "first"}
    plain = definition(tidy, mark=mark, first=KEPT)

    assert confirms(plain, definition(tidy, mark={**mark, "schedule": "@hourly", "max_share": 1.0}, first=KEPT))
    assert not confirms(plain, definition(tidy, mark={**mark, "only": {"state": "done"}}, first=KEPT))
    assert not confirms(plain, definition(tidy, mark=mark, first={**KEPT, "keep": "31d"}))


@dataclass(frozen=True, slots=True)
class LaterSettings(PurgeSettings):
    """Those of a version with other defaults: of one that decides which rows go, of one that does not, of the share."""

    boundary: str = setting("<=", "as in PolicySettings")
    timeout: str = setting("9m", "as in PolicySettings", kind="duration")
    max_share: float = setting(0.1, "as in PolicySettings")


def test_a_changed_default_asks_again_where_it_takes_other_rows_and_nowhere_else() -> None:
    given = {**PURGE, "boundary": "<"}
    armed, armed_as_given = definition_of(read(PURGE)), definition_of(read(given))

    assert armed == armed_as_given
    assert not confirms(armed, definition_of(read(PURGE, LaterSettings)))
    assert confirms(armed, definition_of(read(given, LaterSettings)))


def test_a_changed_default_does_not_make_an_earlier_form_of_another_rule() -> None:
    now, later = earlier_definitions(read(PURGE)), earlier_definitions(read(PURGE, LaterSettings))

    assert set(now).isdisjoint(later)
    assert earlier_definitions(read({**PURGE, "boundary": "<"}, LaterSettings)) == now


STORED: Mapping[str, tuple[Written, tuple[str, ...]]] = {
    "deadline": (
        {"purge": "sessions", "by": "ends", "unit": "s"},
        ("cd272a75524f1948", "8a38a24b55b339b9"),
    ),
    "anonymise": (
        {"anonymise": "people", "by": "gone", "kind": "deadline", "boundary": "<=", "zone": "Europe/Berlin"}
        | {"clear": ["email"], "set": {"name": "x"}},
        ("9e89c3b6581108fa", "d04eb02543c80f25"),
    ),
    "warn": (
        {"warn": "trials", "by": "ends", "ahead": "14d", "to": "email", "message": ["id"], "once_per": ["ends"]},
        ("e8bbbb6256ffdc6c",),
    ),
    "archive": (
        {"archive": "orders", "by": "closed", "keep": "2 years", "keep_last": 3, "per": ["shop"], "before": "mark"}
        | {"into": "kept", "group": "backup", "zone_column": "tz", "zone_parent": {"shops": "shop_id"}}
        | {"unless_referenced_by": {"pays": "order_id"}, "limit": 7, "max_share": 0.5},
        ("4d6034fdd635d442",),
    ),
    "transition": (
        {"transition": "orders", "by": "ends", "set": {"status": "expired", "at": {"now": True}}}
        | {"event": "order_expired"},
        ("b354a3cbae733916",),
    ),
}
"""Digits as those versions printed them: the form of what was given, and before it the form of every setting."""


@pytest.mark.parametrize("name", STORED)
def test_forms_of_earlier_versions_are_what_those_versions_wrote(name: str) -> None:
    written, stored = STORED[name]

    assert earlier_definitions(read(written)) == stored
