"""Settings `[policies.NAME]`: what happens to rows of a table of yours, without Python; loaded only when used."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from .fields import Misfit, setting

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a policy may be called; its job is `policies.NAME`."""

ACTIONS = ("purge", "transition", "anonymise")
SCHEDULING = ("schedule", "timezone", "timeout", "priority", "max_share")
"""Settings that may change without the policy being another one."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """One policy: exactly one of `purge`, `transition` and `anonymise` names its table."""

    purge: str | None = setting(None, "the table whose rows are deleted", example="public.sessions")
    transition: str | None = setting(None, "the table whose rows get the values of `set`", example="orders")
    anonymise: str | None = setting(
        None, "the table whose rows get the values of `set`, and NULL in the columns of `clear`", example="customers"
    )
    by: str = setting("", "the column that gives a row its time; index it", example="expires_at")
    keep: str | None = setting(
        None,
        "how long after that time a row stays; left out: the column is a deadline, and a row is due once it has passed",
        kind="duration",
        minimum="0s",
        maximum="36500d",
        example="90d",
    )
    kind: str | None = setting(
        None,
        'what the column is: the "birth" of a row, or its "deadline"; by default a birth where `keep` is given',
        example="deadline",
    )
    boundary: str = setting("<", '"<": a row whose time is up this very moment stays; "<=": it is due')
    unit: str | None = setting(
        None, 'of a column of whole numbers since 1970: "s", "ms" or "us"; has to be given for one', example="ms"
    )
    zone: str | None = setting(
        None,
        "IANA zone in which the dates of a date column are days; has to be given for one",
        kind="timezone",
        example="Europe/Berlin",
    )
    only: Mapping[str, object] = setting(
        {},
        "further conditions by column: a value, a list of which it is one, or a table with `not`, `null`, `below`, "
        "`at_least`",
        example={"status": ["done", "failed"]},
    )
    children: Mapping[str, str] = setting(
        {},
        "tables whose rows are deleted before those they refer to, and their column that does",
        example={"session_events": "session_id"},
    )
    unless_referenced_by: Mapping[str, str] = setting(
        {}, "tables whose rows keep those alive that they refer to, and their column that does"
    )
    set: Mapping[str, object] = setting({}, "new values by column", example={"status": "expired"})
    clear: tuple[str, ...] = setting((), "columns that become NULL", example=("email", "phone"))
    schedule: str = setting("17 3 * * *", "when it is due", kind="schedule")
    timezone: str | None = setting(
        None, "IANA zone of the schedule; by default that of all", kind="timezone", example="Europe/Berlin"
    )
    timeout: str = setting("4m", "longest time a run may take", kind="duration", minimum="1s", maximum="7d")
    priority: int = setting(0, "of the jobs due at once, the highest starts first", minimum=-1000, maximum=1000)
    max_share: float = setting(
        0.2,
        "share of the table from which on a run stops before its first row, until it is armed again; 1.0: never",
        minimum=0.0,
        maximum=1.0,
    )

    @property
    def action(self) -> str:
        """The one of `ACTIONS` that is given."""
        return next(name for name in ACTIONS if getattr(self, name) is not None)

    @property
    def table(self) -> str:
        """Name of the table, with its schema if that was given."""
        return str(getattr(self, self.action))

    @property
    def born(self) -> bool:
        """Whether the column is a birth."""
        return self.kind == "birth" or (self.kind is None and self.keep is not None)

    def words(self) -> str:
        """The rule as a sentence."""
        what = {
            "purge": f"delete rows of {self.table}",
            "transition": f"set {', '.join(self.set)} in rows of {self.table}",
            "anonymise": f"anonymise rows of {self.table}",
        }[self.action]
        when = f"{self.keep} after" if self.keep not in (None, "0s") else "past"
        condition = f", only where {', '.join(self.only)} match" if self.only else ""
        return f"{what} {when} their {self.by}{condition}"

    def check(self) -> None:
        """ValueError when the settings do not make one policy."""
        given = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(ACTIONS)} names the table; here are {len(given)}")
        if not self.by:
            raise ValueError('by is missing: the column that gives a row its time, by = "expires_at"')
        _one_of(self, "kind", ("birth", "deadline", None))
        _one_of(self, "boundary", ("<", "<="))
        _one_of(self, "unit", ("s", "ms", "us", None))
        if self.born and self.keep is None:
            raise Misfit('keep is missing: how long after its birth a row stays, keep = "90d"', "keep")
        if self.born and self.keep == "0s":
            raise Misfit('keep "0s" would take each row as it is born; for a deadline write kind = "deadline"', "keep")
        self._check_action()

    def _check_action(self) -> None:
        purges = self.purge is not None
        for name in ("children",) if not purges else ("set", "clear"):
            if getattr(self, name):
                raise Misfit(f"{name} has no meaning for {self.action}", name)
        if self.transition is not None and (self.clear or not self.set):
            raise Misfit('a transition needs new values, set = {status = "expired"}, and clears nothing', "set")
        if self.anonymise is not None and not (self.clear or self.set):
            raise Misfit('anonymise needs clear = ["email"] or set = {name = "deleted"}', "clear")
        both = sorted({*self.clear} & {*self.set})
        if both:
            raise Misfit(f"{both[0]} is set and cleared; choose one", "clear")


def definition_of(settings: PolicySettings) -> str:
    """16 hexadecimal digits over all that decides which rows are touched, and how: what `sexton arm` confirms."""
    meaning = {name: value for name, value in asdict(settings).items() if name not in SCHEDULING}
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _one_of(settings: PolicySettings, name: str, values: tuple[str | None, ...]) -> None:
    value = getattr(settings, name)
    if value not in values:
        known = ", ".join(f'"{one}"' for one in values if one is not None)
        raise Misfit(f'{name} "{value}" is not known; write one of {known}', name)


@dataclass(frozen=True, slots=True)
class Declared:
    """A policy and where its table is, for whoever builds it when its job runs. url: never shown."""

    name: str
    settings: PolicySettings
    url: str = field(repr=False)
