"""Tables of a product that nobody at Sexton designed, and policies on them as a settings file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

from sexton import Job
from sexton.app import App
from sexton.config import Settings
from sexton.declared.kinds.contract import PolicyKind
from sexton.declared.policy_fingerprint import definition_of
from sexton.declared.policy_tables import read_policy
from sexton.guard.arming import arm


@dataclass(frozen=True)
class Shop:
    """One database."""

    engine: Engine
    database: str

    @property
    def sqlite(self) -> bool:
        """Whether it is SQLite."""
        return self.engine.dialect.name == "sqlite"

    def do(self, *statements: str, **values: Any) -> None:
        """Execute statements of the product."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), values)

    def ids(self, table: str, where: str = "true", key: str = "id") -> list[Any]:
        """Keys of rows, in order."""
        asked = text(f"SELECT {key} FROM {table} WHERE {where} ORDER BY {key}")
        with self.engine.connect() as connection:
            return list(connection.execute(asked).scalars())

    def job(self, **written: Any) -> Job:
        """The job of `[policies.tidy]` with these settings."""
        settings = Settings(database=self.database, policies={"tidy": written})
        return App(settings).registry.get("policies.tidy")

    def armed(self, *, allowed: int = 10**9, **written: Any) -> Job:
        """The same, confirmed."""
        job = self.job(**written)
        with self.engine.begin() as connection:
            arm(connection, "tidy", definition_of(settings_of(written)), allowed=allowed, by="a test")
        return job


def settings_of(written: Mapping[str, Any]) -> PolicyKind:
    """As the settings file gives them."""
    return read_policy(written, ("policies", "tidy"))
