"""Routes: those of packs, changed and joined by those of the settings; what cannot work is one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sexton.channels.email import EmailSettings
from sexton.channels.webhook import WebhookSettings
from sexton.config.reading import read_into
from sexton.config.route_settings import OutboxSettings, RouteSettings
from sexton.errors import SettingsError, UsageError
from sexton.relay.routes import Route, routes_of, unrouted
from sexton.setting_fields import dotted

MAIL = {"email": EmailSettings(host="smtp.example.com", sender="shop@example.com")}


def read(**tables: Mapping[str, object]) -> dict[str, RouteSettings]:
    """The tables `[route.NAME]`."""
    return {name: read_into(RouteSettings, table, where=f"route.{name}") for name, table in tables.items()}


def routes(brought: tuple[Route, ...] = (), channels: Mapping[str, Any] = MAIL, **tables: Any) -> tuple[Route, ...]:
    """Those in force."""
    return routes_of(brought, read(**tables), channels, dotted)


def test_a_route_of_the_settings_stands_beside_those_of_packs() -> None:
    pack = Route("mails", ("order_expired",), "email", to="{payload.email}")

    found = routes((pack,), all={"event": "*", "channel": "log"})

    assert found == (pack, Route("all", ("*",), "log"))


def test_a_setting_changes_what_it_names_of_a_pack_route_and_no_more() -> None:
    pack = Route("mails", ("order_expired",), "email", to="{payload.email}", priority=3)

    (found,) = routes((pack,), mails={"send_before": "2h", "event": ["a", "b"]})

    assert found == Route("mails", ("a", "b"), "email", to="{payload.email}", priority=3, send_before="2h")


def test_a_route_of_a_pack_can_be_switched_off() -> None:
    assert routes((Route("mails", ("x",), "log"),), mails={"enabled": False}) == ()


WRONG = [
    ({"channel": "log"}, "route.r: this route has no event; give it one"),
    ({"event": "a"}, "route.r: this route has no channel; give it one"),
    ({"event": 5, "channel": "log"}, 'route.r.event: must be the name of an event in quotes, or a list of them; "*"'),
    ({"event": "a", "channel": "lgo"}, "route.r.channel: no channel named 'lgo'; did you mean log?"),
    ({"event": "a", "chanel": "log"}, "route.r.chanel: unknown key; did you mean channel, wanted?"),
    ({"event": "a", "channel": "slack"}, "route.r.channel: slack is not set up; give [channel.slack] its url"),
    (
        {"event": "a", "channel": "log", "to": "{payload}.{emial}"},
        "route.r.to: {emial} is nothing that a message has; write {payload.FIELD}, or one of recipient,",
    ),
    ({"event": "a", "channel": "log", "send_before": "2 hours ago"}, "route.r.send_before: "),
    ({"event": "a", "channel": "log", "address": "email"}, "route.r.people: give the table in which address"),
    ({"event": "a", "channel": "log", "people": "users"}, "route.r.people: give `address` or `wanted` too"),
    ({"event": "a", "channel": "email", "digest": "1h"}, "route.r.digest: a digest by mail needs a template"),
    ({"event": "a", "channel": "log", "retry": ["soon"]}, "route.r.retry: item 1: "),
    ({"enabled": False}, "route.r: no pack brings a route of this name"),
]


@pytest.mark.parametrize(("table", "line"), WRONG)
def test_what_cannot_work_is_one_clear_line(table: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError) as refused:
        routes(r=table)

    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_in_app_rows_have_no_template() -> None:
    from sexton.channels.in_app import InAppSettings

    channels = {"in_app": InAppSettings("notices", {"user_id": "{recipient}"})}

    with pytest.raises(SettingsError, match=r"route\.r\.template: messages in the product are rows"):
        routes(channels=channels, r={"event": "a", "channel": "in_app", "template": "x"})


def test_columns_without_a_table_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"outbox\.columns: give `table` too"):
        read_into(OutboxSettings, {"columns": {"id": "nr"}}, where="outbox")


def test_events_without_a_route_are_found() -> None:
    assert unrouted(["a", "b", "c"], [Route("r", ("a", "c"), "log")]) == ["b"]


def test_a_webhook_goes_to_the_url_of_ours_where_a_route_names_nobody() -> None:
    ours = {"webhook": WebhookSettings(url="https://ours.example/hook")}

    found = routes(
        channels=ours,
        ours={"event": "a", "channel": "webhook"},
        theirs={"event": "b", "channel": "webhook", "to": "{recipient}"},
    )

    assert [route.to for route in found] == ["", "{recipient}"]
