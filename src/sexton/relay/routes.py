"""Routes: which event goes through which channel to whom. Those of packs, changed and joined by those of the settings.

An event without a route is left alone: another relay may read the same outbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..channels.registry import channel_type, settings_of
from ..errors import SettingsError, suggestion
from ..jobs.duration import parse_duration

if TYPE_CHECKING:
    from ..channels.contract import ConfiguredChannel
    from ..config.route_settings import RouteSettings

EVERY_EVENT = "*"
"""As `event` of a route: all of them."""

IN_APP = "in_app"
"""The channel whose messages are rows of a table of the product; the relay writes them itself."""

ANY_RECIPIENT = "{recipient}"
"""As `to` of a route: whom the message names. Channels that lead to one place need nobody."""

FIELDS = re.compile(r"\{([^{}]*)\}")
_FIELD = re.compile(r"recipient|event|key|created_at|now|payload(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Route:
    """Messages of `events` go through `channel` to `to`. Fields as in `[route.NAME]` (`config.route_settings`).

    A pack brings its own, `Pack(routes=...)`; `[route.NAME]` of the settings changes one, or switches it off.
    events: names as `event_type` has them; "*" for all.  to: "{recipient}", "{payload.email}" or a fixed address.
    people, people_key, address, wanted: where the address is asked, each time one is sent.
    secrets: columns there with what signs messages to a web address, all of which have not expired.
    send_before: too late from then on, "2h" after its writing or "{payload.FIELD}".  digest: of that length of time.
    only: fields of the payload that must hold a text.  secret: fields that are shown nowhere, and erased at the end.
    """

    name: str
    events: tuple[str, ...]
    channel: str
    to: str = ANY_RECIPIENT
    people: str = ""
    people_key: str = "id"
    address: str = ""
    wanted: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    template: str = ""
    send_before: str = ""
    digest: str = ""
    priority: int = 0
    retry: tuple[str, ...] = ()
    give_up_after: str | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    secret: tuple[str, ...] = ()

    @property
    def takes_all(self) -> bool:
        """Whether it is for every event."""
        return EVERY_EVENT in self.events

    @property
    def fixed(self) -> bool:
        """Whether all of its messages go to the same place."""
        return not FIELDS.search(self.to)

    @property
    def rates(self) -> tuple[str, ...]:
        """Its budget as `Call` writes it."""
        pairs = ((self.per_minute, "1m"), (self.per_hour, "1h"))
        return tuple(f"{number}/{period}" for number, period in pairs if number is not None)

    @property
    def window(self) -> timedelta | None:
        """The length of a digest; None: each message goes by itself."""
        return parse_duration(self.digest) if self.digest else None

    def takes(self, event: str) -> bool:
        """Whether messages of this event go by it."""
        return self.takes_all or event in self.events


RoutePlace = Callable[[Sequence[str]], str]


def routes_of(
    brought: Iterable[Route], given: Mapping[str, RouteSettings], channels: Mapping[str, Any], place: RoutePlace
) -> tuple[Route, ...]:
    """All routes in force: those that packs brought, changed and joined by those given in the settings.

    channels: settings of channels by name.  place: where a key of the settings stands, for messages.
    SettingsError, one line, for a route that cannot work.
    """
    found = {route.name: route for route in brought}
    for name, settings in given.items():
        if not settings.enabled:
            if name not in found:
                where = place(("route", name))
                raise SettingsError(f"{where}: no pack brings a route of this name{suggestion(name, found)}")
            del found[name]
            continue
        found[name] = _changed(name, found.get(name), settings, place)
        if settings.to is None and _leads_home(found[name], channels):
            found[name] = replace(found[name], to="")
    for route in found.values():
        _check(route, channels, lambda key, name=route.name: place(("route", name, key)))  # type: ignore[misc]
    return tuple(found.values())


def _changed(name: str, route: Route | None, settings: RouteSettings, place: RoutePlace) -> Route:
    """The route with what is given about it."""
    event = settings.event
    changes: dict[str, Any] = {} if event is None else {"events": (event,) if isinstance(event, str) else tuple(event)}  # type: ignore[arg-type]
    for one in fields(settings):
        value = getattr(settings, one.name)
        if one.name not in ("enabled", "event") and value is not None:
            changes[one.name] = value
    if route is not None:
        return replace(route, **changes)
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{place(('route', name))}: a name is letters, digits and _, at most 60; rename it")
    for key, given in (("event", changes.get("events")), ("channel", changes.get("channel"))):
        if not given:
            raise SettingsError(f"{place(('route', name))}: this route has no {key}; give it one")
    return Route(name, **changes)


def _leads_home(route: Route, channels: Mapping[str, Any]) -> bool:
    """Whether it names nobody, and its channel has an address of ours: a webhook with a `url`."""
    if route.to != ANY_RECIPIENT or route.people:
        return False
    try:
        place = channel_type(route.channel).own_place
    except ValueError:
        return False  # `_check` says which channels there are
    return bool(place) and bool(getattr(settings_of(route.channel, channels), place))


def _check(route: Route, channels: Mapping[str, Any], place: Callable[[str], str]) -> None:
    """SettingsError for what cannot be right about one route."""
    channel = _channel(route, channels, place)
    for key in ("to", "send_before"):
        text = getattr(route, key)
        if wrong := [name for name in FIELDS.findall(text) if not _FIELD.fullmatch(name)]:
            known = ("recipient", "payload.FIELD", "key", "event")
            raise SettingsError(
                f"{place(key)}: {{{wrong[0]}}} is nothing that a message has; write {{payload.FIELD}}, or one of "
                f"{', '.join(known)}"
            )
    if route.send_before and not FIELDS.fullmatch(route.send_before):
        parse_duration(route.send_before, where=place("send_before"))
    if not route.people and (route.address or route.wanted):
        raise SettingsError(f"{place('people')}: give the table in which address and wanted are columns")
    if route.people and not (route.address or route.wanted):
        raise SettingsError(f"{place('people')}: give `address` or `wanted` too: what is to be asked there")
    if route.channel == IN_APP:
        _check_in_app(route, place)
    if route.digest and channel.batch > 1 and not route.template and route.channel == "email":
        raise SettingsError(f"{place('digest')}: a digest by mail needs a template, which finds its `messages`")


def _check_in_app(route: Route, place: Callable[[str], str]) -> None:
    odd = ("people", "address", "wanted", "secrets", "template", "digest", "retry", "per_minute", "per_hour")
    if given := [name for name in odd if getattr(route, name)]:
        raise SettingsError(f"{place(given[0])}: messages in the product are rows, and have no {given[0]}; remove it")


def _channel(route: Route, channels: Mapping[str, Any], place: Callable[[str], str]) -> type[ConfiguredChannel[Any]]:
    try:
        kind = channel_type(route.channel)
    except ValueError as error:
        raise SettingsError(f"{place('channel')}: {error}") from None
    if not kind.delivers:
        raise SettingsError(f"{place('channel')}: {route.channel} takes alerts only, no messages of the outbox")
    settings = settings_of(route.channel, channels)
    if absent := [name for name in kind.needed_to_deliver if not getattr(settings, name)]:
        raise SettingsError(
            f"{place('channel')}: {route.channel} is not set up; give [channel.{route.channel}] its {', '.join(absent)}"
        )
    return kind


def unrouted(events: Iterable[str], routes: Sequence[Route]) -> list[str]:
    """Of these events those that no route takes: they are left alone."""
    return [event for event in events if not any(route.takes(event) for route in routes)]
