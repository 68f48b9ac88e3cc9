"""What a text of each kind must look like. `sexton.jobs` is imported only when such a text was given."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from ..errors import ScheduleError, suggestion
from ..setting_fields import SettingRule

LONGEST_TEXT = 200
"""Characters that a duration, a zone and the like may have; database URLs and free text may be longer."""

DATABASES = ("sqlite", "postgresql")
_ADDRESSES = ("", "database", "address", "url", "webhook secret")
_SCHEME = re.compile(r"([A-Za-z0-9_]+)(?:\+[A-Za-z0-9_]+)?://")
_URL = re.compile(r"://|.@", re.DOTALL)
_PACK = re.compile(r"[a-z][a-z0-9_]*")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_HOST = re.compile(r"\*|[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_ENGINE = re.compile(r"[a-z][a-z0-9_]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


def check_kind(value: str, rule: SettingRule) -> None:
    """ValueError, with what is wrong and what would be right, when the text is not of the rule's kind."""
    if rule.kind not in _ADDRESSES and (len(value) > LONGEST_TEXT or _URL.search(value)):
        # The message does not repeat such a value: it may be a URL with a password in the wrong place.
        raise ValueError(f"this cannot be {WORDS[rule.kind]}: it is too long, or looks like a URL")
    try:
        KINDS[rule.kind](value, rule)
    except ScheduleError as error:
        raise ValueError(str(error).removeprefix("value: ")) from None


def _duration(value: str, rule: SettingRule) -> None:
    from ..jobs.duration import parse_duration

    length = parse_duration(value, where="value")
    if rule.minimum is not None and length < parse_duration(str(rule.minimum)):
        raise ValueError(f'"{value}" is too short; write at least "{rule.minimum}"')
    if rule.maximum is not None and length > parse_duration(str(rule.maximum)):
        raise ValueError(f'"{value}" is too long; write at most "{rule.maximum}"')


def _span(value: str, rule: SettingRule) -> None:
    from ..jobs.span import parse_span

    if not parse_span(value, where="value").months:
        _duration(value, rule)


def _timezone(value: str, rule: SettingRule) -> None:
    from ..jobs.zones import check_zone

    check_zone(value)


def _schedule(value: str, rule: SettingRule) -> None:
    from ..jobs.schedule import parse_schedule

    parse_schedule(value, "UTC")


def _database(value: str, rule: SettingRule) -> None:
    found = _SCHEME.match(value)
    example = "write for instance sqlite:///sexton.db or postgresql+psycopg://user:password@host/name"
    if found is None:
        raise ValueError(f"this is not a database URL; {example}")
    backend = found[1].lower()
    if backend not in (*DATABASES, "postgres"):
        raise ValueError(f"no support for {backend}://{suggestion(backend, DATABASES)}")


def _engine(value: str, rule: SettingRule) -> None:
    if not _ENGINE.fullmatch(value):
        raise ValueError(f'{value!r} is not the name of an engine; write for instance "celery"')


def _pack(value: str, rule: SettingRule) -> None:
    if not _PACK.fullmatch(value):
        raise ValueError(f'{value!r} is not the name of a pack; write for instance "marketplace"')


def _module(value: str, rule: SettingRule) -> None:
    if not _MODULE.fullmatch(value) and not value.endswith(".py"):
        raise ValueError(
            f'{value!r} is neither a Python module nor a .py file; write for instance "shop.jobs" or "jobs/nightly.py"'
        )


def _channel(value: str, rule: SettingRule) -> None:
    from ..channels.registry import require

    require(value)


def _address(value: str, rule: SettingRule) -> None:
    if not _ADDRESS.fullmatch(value) or len(value) > LONGEST_TEXT:
        raise ValueError(
            "this is not an e-mail address; write for instance ops@example.com, a name with other letters as xn--"
        )


def _url(value: str, rule: SettingRule) -> None:
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        right = False
    if not right or not value.isascii() or " " in value or "@" in value.partition("://")[2].partition("/")[0]:
        # The value is not repeated: whoever knows the address of a webhook can post to it.
        raise ValueError("this is not an address of the web without a user; write for instance https://example.com/x")

    from ..addresses import is_forbidden

    if is_forbidden(parts.hostname or ""):
        raise ValueError("this is where a cloud tells its machines their credentials; nothing of ours is sent there")


def _host(value: str, rule: SettingRule) -> None:
    if not _HOST.fullmatch(value):
        raise ValueError(f'{value!r} is no name of a host; write for instance "monitor.example.com", without a port')


def _webhook_secret(value: str, rule: SettingRule) -> None:
    head, _, key = value.partition("_")
    try:
        right = head == "whsec" and len(base64.b64decode(key, validate=True)) >= 16
    except ValueError:
        right = False
    if not right:
        raise ValueError('this is not a key for signatures; write "whsec_" and at least 16 bytes in base64')


def _function(value: str, rule: SettingRule) -> None:
    module, colon, name = value.partition(":")
    if not colon or not _MODULE.fullmatch(module) or not name.isidentifier():
        raise ValueError(f'{value!r} is no function; write "package.module:function"')


def _any(value: str, rule: SettingRule) -> None:
    """A text without a kind may be anything."""


KINDS: Mapping[str, Callable[[str, SettingRule], None]] = {
    "": _any,
    "duration": _duration,
    "span": _span,
    "timezone": _timezone,
    "schedule": _schedule,
    "database": _database,
    "pack": _pack,
    "engine": _engine,
    "module": _module,
    "channel": _channel,
    "address": _address,
    "url": _url,
    "host": _host,
    "webhook secret": _webhook_secret,
    "function": _function,
}

WORDS: Mapping[str, str] = {
    "": "text",
    "duration": "a duration",
    "span": "a duration, or months",
    "timezone": "a time zone",
    "schedule": "a schedule",
    "database": "a database URL",
    "pack": "a pack's name",
    "engine": "an engine's name",
    "module": "a module",
    "channel": "a channel",
    "address": "an e-mail address",
    "url": "a web address",
    "host": "a host's name",
    "webhook secret": "a key for signatures",
    "function": "a function",
}


def type_in_words(value: object) -> str:
    """What a value of TOML is, for messages: "a whole number"."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else "a date or time"
