"""A fleet for tests: a home database and databases of merchants, on one server, and the settings that list them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine, make_url, text

from tests.cli.shell import Done, Inside

from .databases import Databases

SESSIONS = "CREATE TABLE sessions (id bigint PRIMARY KEY, expires_at timestamptz, held_until timestamptz)"

POLICY = """
[policies.tidy]
purge = "sessions"
by = "expires_at"
keep = "1d"
"""


@dataclass
class Merchants:
    """home: URL of the home database.  urls: of the others, by the name that they have in the fleet."""

    inside: Inside
    home: str
    urls: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Of all databases."""
        return [*self.urls]

    def entry(self, name: str, **more: object) -> dict[str, object]:
        """What a list says of one."""
        return {"name": name, "url": self.urls[name], **more}

    def lists(self, *entries: Mapping[str, object], fleet: str = "") -> None:
        """Write the settings, and a file with these databases; all there are, by default."""
        lines = [json.dumps(entry) for entry in entries or map(self.entry, self.urls)]
        self.inside.write("fleet.jsonl", "\n".join(lines))
        self.settings(f'[fleet]\nfile = "fleet.jsonl"\n{fleet}')

    def settings(self, fleet: str, *, top: str = "") -> None:
        """Write the settings: the home database, one policy, and this about the fleet."""
        self.inside.write("sexton.toml", f'database = "{self.home}"\n{top}\n{fleet}\n{POLICY}')

    def sexton(self, *words: str, **environment: str) -> Done:
        """Run `sexton fleet WORDS…`."""
        return self.inside.sexton("fleet", *words, **environment)

    def told(self, *words: str) -> dict[str, dict[str, Any]]:
        """What it says of each database, as JSON."""
        return {line["database"]: line for line in map(json.loads, self.sexton(*words, "--json").out.splitlines())}

    def execute(self, name: str, *statements: str) -> Any:
        """Statements in one of the databases, "home" too; the first value of the last."""
        engine = create_engine(self.home if name == "home" else self.urls[name])
        try:
            with engine.begin() as connection:
                for statement in statements:
                    found = connection.execute(text(statement))
                return found.scalar() if found.returns_rows else None
        finally:
            engine.dispose()


@contextmanager
def open_merchants(inside: Inside, databases: Databases, kind: str, number: int) -> Iterator[Merchants]:
    """So many merchants, shop_1 and so on, each with a table of sessions and none of ours; the home is migrated."""
    with ExitStack() as stack:
        home = stack.enter_context(databases.fresh(kind, migrated=True))
        urls = {
            f"shop_{one}": stack.enter_context(databases.fresh(kind, migrated=False)) for one in range(1, number + 1)
        }
        merchants = Merchants(inside, home, urls)
        for name in urls:
            merchants.execute(name, SESSIONS)
        merchants.lists()
        yield merchants


def database_name(url: str) -> str:
    """Of a URL."""
    return str(make_url(url).database)
