"""One database of a fleet as its source tells of it: a table of the settings, a line of a file, a row of a query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..errors import SettingsError
from ..masking import looks_secret
from ..setting_fields import Misfit, setting
from .reading import read_into, refusal
from .secret_references import secret_reference

STATES = ("provisioning", "active", "paused", "leaving")
"""What may be done in a database, see `fleet.database.DatabaseState`."""

MOST_TOLD = 20
"""Lines that are told of what is wrong with the list."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_CREDENTIALS = re.compile(r"[^:/]*:[^@]*@")  # where a URL is read so, its password may hold a ? as it stands
_FOR_PATHS = ("passfile",)  # holds the name of a file, whatever it is called


@dataclass(frozen=True, slots=True)
class FleetEntry:
    """What is known of one. Either `url` or its parts."""

    name: str = setting("", "its name in the fleet: letters, digits and _ . -; at most 63; not a . or - first")
    url: str | None = setting(
        None, "where it is, without a password; or its parts: host, port, user, database", kind="database"
    )
    host: str | None = setting(None, "of its server")
    port: int = setting(5432, "of its server", minimum=1, maximum=65_535)
    user: str | None = setting(None, "role that jobs run as")
    database: str | None = setting(None, "its name on the server")
    server: str | None = setting(None, "by which connections are counted; left out: host and port")
    labels: Mapping[str, str] = setting({}, "words to choose databases by")
    state: str = setting("active", f"one of {', '.join(STATES)}: only an active one is visited")
    secret: str | None = setting(None, "where its password is kept; left out: as `[fleet] secret` says", secret=True)

    def check(self) -> None:
        """ValueError when it cannot be right; nothing of a password is repeated."""
        if not _NAME.fullmatch(self.name):
            raise Misfit("a name is letters, digits and _ . - (at most 63, no . or - first)", "name")
        if self.state not in STATES:
            raise Misfit(f"{self.state!r} is no state; write one of {', '.join(STATES)}", "state")
        parts = [name for name in ("host", "user", "database") if getattr(self, name) is not None]
        if (self.url is None) == (not parts):
            raise Misfit("give either `url`, or its parts: host, port, user, database", "url")
        if self.url is None and not (self.host and self.database):
            raise Misfit("without `url`, both host and database are needed", "host")
        if self.url is not None and has_password(self.url):
            raise Misfit("holds a password; leave it out and say in `secret` where it is kept", "url")
        check_secret(self.secret)


def check_secret(text: str | None) -> None:
    """Misfit when it is no reference to a password."""
    try:
        secret_reference(text or "passfile")
    except ValueError as error:
        raise Misfit(str(error), "secret") from None


def has_password(url: str) -> bool:
    """Whether a URL holds a password, or a parameter that looks like one; rather too often than not."""
    rest = url.partition("://")[2]
    place, _, query = rest.partition("?")
    credentials, at, _ = place.rpartition("@")
    named = (name for name, value in parse_qsl(query) if value and name not in _FOR_PATHS)
    return bool(_CREDENTIALS.match(rest) or (at and ":" in credentials)) or any(map(looks_secret, named))


def entries(items: Iterable[tuple[str, object]]) -> list[tuple[str, FleetEntry]]:
    """Tables or URLs with the place of each, for messages; read, and still with their places.

    SettingsError, a line for each that cannot be right, and for each name that stands there twice.
    """
    found: dict[str, tuple[str, FleetEntry]] = {}
    wrong: list[str] = []
    for place, item in items:
        try:
            entry = _entry(item, place)
        except SettingsError as error:
            wrong += error.lines
            continue
        if entry.name in found:
            wrong.append(f"{place}: {entry.name} is the name of another one, at {found[entry.name][0]}")
        found.setdefault(entry.name, (place, entry))
    if wrong:
        raise refusal(wrong if len(wrong) <= MOST_TOLD else [*wrong[:MOST_TOLD], f"and {len(wrong) - MOST_TOLD} more"])
    return [*found.values()]


def _entry(item: object, place: str) -> FleetEntry:
    if isinstance(item, str):
        item = {"url": item, "name": item.partition("?")[0].rpartition("/")[2].removesuffix(".db")}
    if not isinstance(item, Mapping):
        raise SettingsError(f"{place}: must be a table, or a URL in quotes")
    return read_into(FleetEntry, item, where=place)
