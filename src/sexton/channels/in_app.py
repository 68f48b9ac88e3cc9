"""The channel into the product itself: a row of a table of its own for each message. The relay writes the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..setting_fields import setting
from .contract import ConfiguredChannel, Notice, Refused


@dataclass(frozen=True, slots=True)
class InAppSettings:
    """Messages as rows of a table of the product."""

    table: str | None = setting(None, "the table that gets a row for each message", example="notifications")
    columns: Mapping[str, str] = setting(
        {},
        'what its columns get: texts with fields, "{recipient}", "{payload.FIELD}", "{key}", "{event}", '
        '"{created_at}", "{now}"; others get their own default',
        example={"user_id": "{recipient}", "title": "{payload.title}"},
    )


class InAppChannel(ConfiguredChannel[InAppSettings]):
    """Takes no alerts: people who look after jobs are not users of the product."""

    name = "in_app"
    settings_type = InAppSettings
    addressed = False
    required = ("table", "columns")
    alerts = False
    delivers = True
    needed_to_deliver = ("table", "columns")

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Refused, always."""
        raise Refused("alerts are not written into the product")
