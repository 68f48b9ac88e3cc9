"""Settings `[route.NAME]` and `[outbox]`: which message goes through which channel to whom, and where messages lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..setting_fields import Misfit, setting

MAX_LANES = 8
"""Deliveries of one database at once at most."""


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One route of messages. With the name of a route that a pack brings, it changes what is given here and no more."""

    enabled: bool = setting(True, "false: this route of a pack is not used", example=False)
    event: object = setting(
        None, 'the event, or a list of them, as `event_type` has it; "*": all of them', example="order_expired"
    )
    channel: str | None = setting(
        None, "through which messages go; its table [channel.NAME] says where that leads", kind="channel", example="log"
    )
    to: str | None = setting(
        None,
        'whom: "{recipient}" of the message, which is the default, "{payload.FIELD}", or a fixed address; channels '
        "that lead to one place need none, nor does a webhook with a url of yours",
        example="{payload.email}",
    )
    people: str | None = setting(
        None, "table of the product in which whoever `to` names is looked up when a message is sent", example="users"
    )
    people_key: str | None = setting(None, '`to` is looked up in this column of it; by default "id"', example="id")
    address: str | None = setting(
        None, "column of it with the address; left out: `to` is the address itself", example="email"
    )
    wanted: tuple[str, ...] | None = setting(
        None,
        "columns of it that must all be true, asked again when a message is sent; else it is dropped",
        example=("is_active", "wants_mail"),
    )
    secrets: tuple[str, ...] | None = setting(
        None,
        "columns of it with the secrets that sign messages to a web address there, of which each that is given signs",
        example=("webhook_secret", "previous_secret"),
    )
    template: str | None = setting(
        None, "name of the template that makes subject and text of it, see [outbox] templates", example="order_expired"
    )
    send_before: str | None = setting(
        None,
        'dropped instead of sent later than that: a length of time from its writing, or "{payload.FIELD}" with the '
        "instant",
        example="2h",
    )
    digest: str | None = setting(
        None,
        "messages of this length of time to one recipient become one; a template, or the receiver, finds them as "
        "`messages`",
        kind="duration",
        minimum="1s",
        maximum="31d",
        example="15m",
    )
    priority: int | None = setting(
        None, "of messages that wait, the highest go first; by default 0", minimum=-1000, maximum=1000, example=10
    )
    retry: tuple[str, ...] | None = setting(
        None,
        "delays before it is tried again, each from the end of the attempt before; by default those of the channel",
        kind="duration",
        minimum="1s",
        maximum="24h",
        example=("10s", "1m", "5m", "30m"),
    )
    give_up_after: str | None = setting(
        None,
        "the last delay is repeated until a message is that old; left out: it is given up with the last delay",
        kind="duration",
        minimum="1m",
        maximum="31d",
        example="7d",
    )
    per_minute: int | None = setting(
        None, "messages in any minute at most, of all processes together", minimum=1, maximum=1_000_000, example=60
    )
    per_hour: int | None = setting(
        None, "messages in any hour at most, of all processes together", minimum=1, maximum=1_000_000, example=1000
    )
    only: Mapping[str, str] | None = setting(
        None,
        "fields of the payload, and what they must hold as text; other messages are not for this route",
        example={"plan": "paid"},
    )
    secret: tuple[str, ...] | None = setting(
        None,
        "fields of the payload that are shown nowhere, and erased once nothing is left to send",
        example=("reset_token",),
    )

    def check(self) -> None:
        """ValueError when the events are no events, or values do not fit together."""
        one = [self.event] if isinstance(self.event, str) else self.event
        if one is not None and not (
            isinstance(one, list | tuple) and one and all(isinstance(name, str) and name.strip() for name in one)
        ):
            raise Misfit('must be the name of an event in quotes, or a list of them; "*" means all', "event")
        for name in ("people_key", "address", "wanted", "secrets"):
            if getattr(self, name) and self.people == "":
                raise Misfit("give `people` too: the table that has this column", name)


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """Messages that are delivered: where they lie, their templates, and how much goes on at once."""

    table: str | None = setting(
        None,
        "the table of the product that messages lie in; left out: Sexton's own. It needs id, event_type, payload, "
        "created_at and published_at; key, recipient, attempt_count, last_attempted_at, last_error are used if there",
        example="public.outbox_events",
    )
    columns: Mapping[str, str] = setting(
        {},
        "names that its columns have there",
        keys=(
            "id",
            "key",
            "event_type",
            "recipient",
            "payload",
            "created_at",
            "published_at",
            "attempt_count",
            "last_attempted_at",
            "last_error",
        ),
        example={"event_type": "type"},
    )
    templates: str | None = setting(
        None, "folder of templates, from the settings file; a subject and a text or HTML by name", example="templates"
    )
    lanes: int = setting(
        1,
        "jobs that deliver beside each other: more of them where some receivers are slow",
        minimum=1,
        maximum=MAX_LANES,
    )

    def check(self) -> None:
        """ValueError for columns of a table that is not given."""
        if self.columns and self.table is None:
            raise Misfit("give `table` too: Sexton's own has its own names", "columns")
