"""Which settings of a policy go together; each refusal names the one to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..jobs.span import parse_span
from .child_settings import children_of
from .setting_fields import Misfit

PolicySettings = Any
"""That of `policy`, which calls us and so cannot be imported here."""

MEANING = {
    "children": ("purge", "archive"),
    "set": ("transition", "anonymise"),
    "clear": ("transition", "anonymise"),
    "ahead": ("warn",),
    "into": ("archive",),
    "group": ("archive",),
}
"""For which actions a setting has a meaning."""


def check(settings: PolicySettings) -> None:
    """ValueError when the settings do not make one policy."""
    if not settings.by:
        _check_without_time(settings)
    _one_of(settings, "kind", ("birth", "deadline", None))
    _one_of(settings, "boundary", ("<", "<="))
    _one_of(settings, "unit", ("s", "ms", "us", None))
    _check_time(settings)
    _check_zone(settings)
    if not isinstance(settings.only, Mapping | str):
        raise Misfit('must be a table of columns, {status = "done"}, or SQL in a text', "only")
    if isinstance(settings.only, str) and not settings.only.strip():
        raise Misfit("the text is empty; write a condition, or leave it out", "only")
    children_of(settings.children)
    for name, actions in MEANING.items():
        if settings.action not in actions and getattr(settings, name) != _default(settings, name):
            raise Misfit(f"{name} has no meaning for {settings.action}", name)
    if settings.per and settings.keep_last is None:
        raise Misfit("keep_last is missing: how many of each group stay, keep_last = 5", "per")
    _check_change(settings)
    _check_message(settings)


def _default(settings: PolicySettings, name: str) -> object:
    return getattr(type(settings)(), name)


def _check_without_time(settings: PolicySettings) -> None:
    if not settings.only and not settings.unless_referenced_by:
        raise ValueError('by is missing: the column that gives a row its time, by = "expires_at"')
    for name in ("keep", "ahead", "kind", "zone_column", "before", "keep_last"):
        if getattr(settings, name) is not None:
            raise Misfit(f"{name} says something about a time; name its column, by", name)


def _check_time(settings: PolicySettings) -> None:
    if settings.born and settings.keep is None:
        raise Misfit('keep is missing: how long after its birth a row stays, keep = "90d"', "keep")
    if settings.born and settings.keep is not None and not parse_span(settings.keep):
        raise Misfit(
            f'keep "{settings.keep}" would take each row as it is born; for a deadline write kind = "deadline"', "keep"
        )
    if settings.ahead is not None and settings.keep is not None:
        raise Misfit("ahead of a time and after it: choose one of ahead and keep", "ahead")


def _check_zone(settings: PolicySettings) -> None:
    if settings.zone_parent and settings.zone_column is None:
        raise Misfit('zone_column is missing: which column of that table, zone_column = "timezone"', "zone_parent")
    if len(settings.zone_parent) > 1:
        raise Misfit("name one table", "zone_parent")


def _check_change(settings: PolicySettings) -> None:
    if settings.transition is not None and not settings.set:
        raise Misfit('a transition needs new values, set = {status = "expired"}', "set")
    if settings.anonymise is not None and not (settings.clear or settings.set):
        raise Misfit('anonymise needs clear = ["email"] or set = {name = "deleted"}', "clear")
    both = sorted({*settings.clear} & {*settings.set})
    if both:
        raise Misfit(f"{both[0]} is set and cleared; choose one", "clear")


def _check_message(settings: PolicySettings) -> None:
    tells = settings.event is not None or settings.warn is not None
    for name in ("to", "message", "once_per"):
        if getattr(settings, name) and not tells:
            raise Misfit(f'{name} belongs to a message; give it a name, event = "order_expired"', name)
    if tells and settings.archive is not None:
        raise Misfit("rows that are archived tell nothing; write a policy that warns before", "event")


def _one_of(settings: PolicySettings, name: str, values: tuple[str | None, ...]) -> None:
    value = getattr(settings, name)
    if value not in values:
        known = ", ".join(f'"{one}"' for one in values if one is not None)
        raise Misfit(f'{name} "{value}" is not known; write one of {known}', name)
