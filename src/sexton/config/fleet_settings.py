"""Settings `[fleet]`: where the list of databases is, and how many of them are visited at once."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError
from ..setting_fields import Misfit, setting


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Many databases, the same jobs in each. Exactly one of `databases`, `file` and `query` says which."""

    databases: tuple[object, ...] = setting(
        (),
        "the databases themselves: [[fleet.databases]] with name, url or its parts, server, labels, state, secret; "
        "or URLs, whose last part is the name",
        secret=True,
        hint="write [[fleet.databases]]",
        example=("postgresql://jobs@db1/shop_1", "postgresql://jobs@db1/shop_2"),
    )
    file: str | None = setting(
        None,
        "file with the same tables, or several by * and ?; TOML, or JSON with an object a line (.jsonl)",
        example="merchants/*.toml",
    )
    query: str | None = setting(
        None,
        "one SELECT on the home database, with columns of the same names; labels as JSON",
        example="SELECT slug AS name, db_host AS host, db_name AS database, 'jobs' AS user FROM merchants",
    )
    secret: str | None = setting(
        None,
        "where the password of a database is kept that says nothing itself; {name} is its name. env:NAME, file:PATH, "
        'passfile, passfile:PATH or command:["program", "argument"]',
        example="file:/run/secrets/{name}",
    )
    connections: int = setting(16, "databases that are visited at once", minimum=1, maximum=1000)
    per_server: int = setting(4, "of one server", minimum=1, maximum=1000)
    connect_timeout: str = setting("5s", "longest time for a connection", kind="duration", minimum="1s", maximum="1m")
    refresh: str = setting("60s", "how often the list is read anew", kind="duration", minimum="5s", maximum="1d")

    @property
    def given(self) -> bool:
        """Whether there is a fleet."""
        return bool(self.databases or self.file or self.query)

    def check(self) -> None:
        """ValueError when a database, the secret or the query cannot be right."""
        if self.databases or self.secret is not None:
            self._check_entries()
        if self.query is not None:
            self._check_query(self.query)

    def _check_entries(self) -> None:
        from .fleet_entries import check_secret, entries

        try:
            entries((f"item {number}", item) for number, item in enumerate(self.databases, start=1))
        except SettingsError as error:
            raise Misfit(error.lines[0], "databases") from None
        check_secret(self.secret)

    def _check_query(self, query: str) -> None:
        from ..db.operator_query import one_query

        try:
            one_query(query)
        except ValueError as error:
            raise Misfit(f"{error}".replace("that returns one value", "with a row a database"), "query") from None

    def source(self) -> str:
        """Which of the three it is. SettingsError where none is given, or several are."""
        given = [name for name in ("databases", "file", "query") if getattr(self, name)]
        if len(given) == 1:
            return given[0]
        here = f"{' and '.join(given)} are given" if given else "there is no fleet"
        raise SettingsError(f"fleet: {here}; exactly one of databases, file and query says which databases there are")
