"""One database of the fleet: what it is called, where it is, where its password is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ..config.secret_references import SecretKind, SecretReference
from .secret_commands import doubt_answer
from .secret_values import resolved

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


class DatabaseState(StrEnum):
    """What may be done in it. Only an active one is visited; one that is being provisioned may be migrated."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    PAUSED = "paused"
    LEAVING = "leaving"


VISITED_TO_MIGRATE = (DatabaseState.PROVISIONING, DatabaseState.ACTIVE)
"""States in which `sexton fleet migrate` and `check` go there."""


@dataclass(frozen=True, slots=True)
class FleetDatabase:
    """name: unique in the fleet; letters, digits and _ . - of ASCII, at most 63.  address: a URL without password.

    server: by which connections are counted; "host:port" unless the source says otherwise, "sqlite" for files.
    """

    name: str
    address: str
    secret: SecretReference | None
    server: str
    labels: Mapping[str, str]
    state: DatabaseState

    def url(self) -> str:
        """With the password, resolved now: to be asked just before connecting, and never kept, logged or shown.

        SettingsError, without any of it, where the password cannot be had.
        """
        return self.target().render_as_string(hide_password=False)

    def doubt_password(self) -> None:
        """Its server has let nobody in: what a program printed is asked for anew soon."""
        if self.secret is not None and self.secret.kind is SecretKind.COMMAND:
            doubt_answer(self.secret.target)

    def target(self) -> URL:
        """The same as SQLAlchemy has it, which masks the password when it is printed."""
        from sqlalchemy.engine import make_url

        target = make_url(self.address)
        if self.secret is None:
            return target
        if self.secret.kind is SecretKind.PASSWORD_FILE:
            return target.update_query_dict({"passfile": self.secret.target[0]}) if self.secret.target else target
        return target.set(password=resolved(self.secret))
