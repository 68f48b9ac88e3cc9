"""Finds channels by their names: those of this folder, one file each, and those of other packages.

Another package names its own as entry points of the group `sexton.channels`. Nothing is imported before it is named,
so that a start costs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError, suggestion
from ..setting_fields import NamedGroups

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .contract import Channel, ConfiguredChannel

CHANNEL_ENTRY_POINTS = "sexton.channels"

BUILT_IN_CHANNELS = {
    "log": "LogChannel",
    "email": "EmailChannel",
    "webhook": "WebhookChannel",
    "slack": "SlackChannel",
    "discord": "DiscordChannel",
    "in_app": "InAppChannel",
    "function": "FunctionChannel",
}
"""The channels of this folder: each in the file of its name."""

ONLY_MESSAGES = ("in_app", "function")
"""Those of them that take no alerts: known without importing them."""

NEED_NO_SETTINGS = ("log",)
"""Those of them that take alerts and need no settings: likewise, as nearly all starts ask about them."""


@cache
def channel_type(name: str) -> type[ConfiguredChannel[Any]]:
    """The class of the channel. ValueError when there is none; SettingsError when it cannot be loaded."""
    if name in BUILT_IN_CHANNELS:
        found: type[ConfiguredChannel[Any]] = getattr(import_module(f"sexton.channels.{name}"), BUILT_IN_CHANNELS[name])
        return found
    others = _installed()
    if name not in others:
        raise ValueError(f"no channel named {name!r}{suggestion(name, [*BUILT_IN_CHANNELS, *others])}")
    return _loaded(others[name])


def names() -> list[str]:
    """Those of all channels there are: the built-in ones first."""
    return [*BUILT_IN_CHANNELS, *(name for name in _installed() if name not in BUILT_IN_CHANNELS)]


def require(name: str) -> None:
    """ValueError, with the nearest names, when no channel is called so; none is imported for that."""
    if name not in BUILT_IN_CHANNELS and name not in _installed():
        raise ValueError(f"no channel named {name!r}{suggestion(name, names())}")


def takes_alerts(name: str) -> bool:
    """Whether the channel takes notices, and not messages of the outbox only."""
    return name in NEED_NO_SETTINGS or channel_type(name).alerts


def settings_of(name: str, given: Mapping[str, Any]) -> Any:
    """Its settings: those `given` under its name, or its defaults."""
    return given[name] if name in given else channel_type(name).settings_type()


def missing(name: str, given: Mapping[str, Any]) -> list[str]:
    """The settings without which the channel cannot send, and which are not given."""
    needed = () if name in NEED_NO_SETTINGS else channel_type(name).required
    return [key for key in needed if not getattr(settings_of(name, given), key)]


def channel_for(name: str, given: Mapping[str, Any]) -> Channel:
    """The channel, ready to send. SettingsError when the library that it needs is not installed."""
    found = channel_type(name)
    if found.library is not None and any(find_spec(module) is None for module in found.library.modules):
        needed = f"{found.library.words}; run: {found.library.install}"
        raise SettingsError(f"alerts: the channel {name} needs {needed}")
    return found(settings_of(name, given))


def _settings_type(name: str) -> type:
    return channel_type(name).settings_type


def _settings_types() -> Mapping[str, type]:
    return {name: _settings_type(name) for name in names()}


SETTINGS = NamedGroups(_settings_type, _settings_types)
"""The tables `[channel.NAME]`, for those who read them."""


@cache
def _installed() -> Mapping[str, EntryPoint]:
    from importlib.metadata import entry_points  # looks through all that is installed

    return {one.name: one for one in entry_points(group=CHANNEL_ENTRY_POINTS)}


def _loaded(point: EntryPoint) -> type[ConfiguredChannel[Any]]:
    from ..jobs.foreign_code import guarded
    from .contract import ConfiguredChannel

    about = f"channel {point.name}: {point.value}"
    with guarded(f"{about} cannot be loaded", SettingsError, point.module):
        found = point.load()
    if not (isinstance(found, type) and issubclass(found, ConfiguredChannel)):
        raise SettingsError(f"{about} is no channel; it must be a class made from ConfiguredChannel")
    if getattr(found, "name", None) != point.name or not is_dataclass(getattr(found, "settings_type", None)):
        raise SettingsError(f'{about} must have name = "{point.name}", and a dataclass as settings_type')
    if any(MISSING is one.default and MISSING is one.default_factory for one in fields(found.settings_type)):
        raise SettingsError(f"{about}: each of its settings must have a default; what it needs stands in required")
    return found
