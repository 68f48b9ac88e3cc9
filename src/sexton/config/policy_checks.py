"""Which settings that all kinds of policies share go together; each refusal names the one to change."""

from __future__ import annotations

from collections.abc import Mapping

from ..jobs.span import parse_span
from ..setting_fields import Misfit
from .child_settings import children_of
from .policy_settings import PolicySettings


def check_common(settings: PolicySettings) -> None:
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
    if settings.per and settings.keep_last is None:
        raise Misfit("keep_last is missing: how many of each group stay, keep_last = 5", "per")
    _check_message(settings)


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


def _check_zone(settings: PolicySettings) -> None:
    if settings.zone_parent and settings.zone_column is None:
        raise Misfit('zone_column is missing: which column of that table, zone_column = "timezone"', "zone_parent")
    if len(settings.zone_parent) > 1:
        raise Misfit("name one table", "zone_parent")


def check_values(settings: PolicySettings) -> None:
    """ValueError when a column is to be set and cleared at once."""
    both = sorted({*settings.clear} & {*settings.set})
    if both:
        raise Misfit(f"{both[0]} is set and cleared; choose one", "clear")


def _check_message(settings: PolicySettings) -> None:
    for name in ("to", "message", "once_per"):
        if getattr(settings, name) and not settings.tells:
            raise Misfit(f'{name} belongs to a message; give it a name, event = "order_expired"', name)


def _one_of(settings: PolicySettings, name: str, values: tuple[str | None, ...]) -> None:
    value = getattr(settings, name)
    if value not in values:
        known = ", ".join(f'"{one}"' for one in values if one is not None)
        raise Misfit(f'{name} "{value}" is not known; write one of {known}', name)
