"""Settings `[policies.NAME]`: what happens to rows of a table of yours, without Python; loaded only when used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import SettingsError, suggestion
from ..jobs.span import parse_span
from .policy_checks import check
from .setting_fields import dotted, setting

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a policy may be called; its job is `policies.NAME`."""

POLICY_ACTIONS = ("purge", "archive", "transition", "anonymise", "warn")

SettingPlace = Callable[[Sequence[str]], str]
"""Where a key of the settings stands, for messages: "sexton.toml line 14: policies.tidy.only"."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """One policy: exactly one of `purge`, `archive`, `transition`, `anonymise` and `warn` names its table."""

    purge: str | None = setting(None, "the table whose rows are deleted", example="public.sessions")
    archive: str | None = setting(
        None, "the table whose rows are written to files, and deleted once those were read back", example="orders"
    )
    transition: str | None = setting(None, "the table whose rows get the values of `set`", example="orders")
    anonymise: str | None = setting(
        None, "the table whose rows get the values of `set`, and NULL in the columns of `clear`", example="customers"
    )
    warn: str | None = setting(
        None, "the table of whose rows something is told, once for each row and time", example="subscriptions"
    )
    by: str = setting(
        "",
        "the column that gives a row its time; index it; may be left out where `only` says enough",
        example="expires_at",
    )
    keep: str | None = setting(
        None,
        'how long after that time a row stays: "90d", "30 days", or calendar months: "1 month", "2 years"; left out: '
        "the column is a deadline, and a row is due once it has passed",
        kind="span",
        minimum="0s",
        maximum="36500d",
        example="90d",
    )
    keep_last: int | None = setting(
        None, "how many of the newest rows stay whatever their time, of each group of `per`", minimum=1, maximum=10_000
    )
    per: tuple[str, ...] = setting((), "the columns that make a group of `keep_last`", example=("user_id",))
    ahead: str | None = setting(
        None, "of a warning: how long before that time it is due, until that time", kind="span", example="14d"
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
        "IANA zone in which the dates of a date column are days, or whose local time a column without zone holds; "
        "has to be given for dates, unless `zone_column` is",
        kind="timezone",
        example="Europe/Berlin",
    )
    zone_column: str | None = setting(
        None,
        "the column with each row's own zone, of this table or of the one in `zone_parent`; rows without one are in "
        "`zone`, or never due; nor are those whose zone has no such name",
        example="timezone",
    )
    zone_parent: Mapping[str, str] = setting(
        {}, "the table that has the `zone_column`, and the column here that refers to it", example={"shops": "shop_id"}
    )
    only: object = setting(
        {},
        "further conditions by column: a value, a list of which it is one, or a table with `not`, `null`, `below`, "
        "`at_least`, `older_than`, `newer_than`; or all of them as SQL in a text",
        example={"status": ["done", "failed"]},
    )
    children: Mapping[str, object] = setting(
        {},
        "tables whose rows are deleted before those they refer to, and their column that does; or a table with "
        "`column`, `action` (delete, set null, refuse) and `children` of their own",
        example={"session_events": "session_id"},
    )
    unless_referenced_by: Mapping[str, str] = setting(
        {}, "tables whose rows keep those alive that they refer to, and their column that does"
    )
    before: str | None = setting(
        None, "another policy: only rows whose time it has been through", example="archive_orders"
    )
    set: Mapping[str, object] = setting(
        {}, "new values by column; {now = true}: the time of the run", example={"status": "expired"}
    )
    clear: tuple[str, ...] = setting((), "columns that become NULL", example=("email", "phone"))
    event: str | None = setting(
        None, "what the message about each row is called; by default there is none, but for a warning its name"
    )
    to: str | None = setting(None, "the column that says who gets the message", example="email")
    message: tuple[str, ...] = setting(
        (), "columns that the message holds; by default the key and the time", example=("id", "email", "ends_at")
    )
    once_per: tuple[str, ...] = setting(
        (),
        "columns that a message is told once for, of each row; by default `by`, or the columns that `only` compares "
        "with the time of the run",
        example=("sent_at",),
    )
    into: str = setting("archive", "the folder for the files of `archive`, seen from that of the settings file")
    group: str | None = setting(
        None,
        "group of this host whose members may read the files of `archive`; left out: the user that runs the jobs alone",
        example="backup",
    )
    limit: int | None = setting(
        None, "rows that one run takes at most", minimum=1, maximum=1_000_000_000, example=10_000
    )
    batch: int | None = setting(
        None, "rows that one batch takes at most; without it only its time counts", minimum=1, maximum=100_000
    )
    order: tuple[str, ...] = setting(
        (), "columns by which rows are taken; by default the oldest first", example=("priority",)
    )
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
        """The one of `POLICY_ACTIONS` that is given."""
        return next(name for name in POLICY_ACTIONS if getattr(self, name) is not None)

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
            "archive": f"write rows of {self.table} to files and delete them",
            "transition": f"set {', '.join(self.set)} in rows of {self.table}",
            "anonymise": f"anonymise rows of {self.table}",
            "warn": f"tell about rows of {self.table}",
        }[self.action]
        when = f"{self.keep} after" if self.keep is not None and parse_span(self.keep) else "past"
        when = f"{self.ahead} before" if self.ahead is not None else when
        condition = (
            f", with a condition on {', '.join(self.only)}" if isinstance(self.only, Mapping) and self.only else ""
        )
        condition = f", only where {' '.join(self.only.split())}" if isinstance(self.only, str) else condition
        return f"{what} {when} their {self.by}{condition}" if self.by else f"{what}{condition}"

    def check(self) -> None:
        """ValueError when the settings do not make one policy."""
        given = [name for name in POLICY_ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(POLICY_ACTIONS)} names the table; here are {len(given)}")
        check(self)


def policies_of(
    written: Mapping[str, Mapping[str, object]], place: SettingPlace = dotted
) -> tuple[dict[str, PolicySettings], dict[str, SettingsError]]:
    """The policies of a settings file by name, and what is wrong with each of the others.

    place: tells where a key stands, for messages.
    """
    from .reading import read_at

    found: dict[str, PolicySettings] = {}
    wrong: dict[str, SettingsError] = {}
    for name, table in written.items():
        here = ("policies", name)
        try:
            if not NAME.fullmatch(name):
                raise SettingsError(
                    f"{place(here)}: a name is lower-case letters, digits and _, such as stale_sessions"
                )
            found[name] = read_at(PolicySettings, table, here, place)
        except SettingsError as error:
            wrong[name] = error
    # One that waits for what cannot be loaded cannot be, either; and so on along the line.
    while late := {name: why for name in found if (why := _waits_in_vain(found, wrong, name)) is not None}:
        for name, why in late.items():
            del found[name]
            wrong[name] = SettingsError(f"{place(('policies', name, 'before'))}: {why}")
    return found, wrong


def _waits_in_vain(found: Mapping[str, PolicySettings], wrong: Mapping[str, SettingsError], name: str) -> str | None:
    """Why the policy that this one waits for will never have been through; None: it will, or it waits for none."""
    before = found[name].before
    if before is None:
        return None
    if before in wrong:
        return f"policy {before!r} cannot be loaded"
    if before not in found or before == name:
        return f"there is no other policy {before!r}{suggestion(before, (other for other in found if other != name))}"
    line = [name]
    while (after := found[line[-1]].before) is not None and after in found and after not in line:
        line.append(after)
    return f"they wait for each other: {' before '.join([*line, name])}" if after == name else None


@dataclass(frozen=True, slots=True)
class LocatedPolicy:
    """A policy and where it stands, for whoever builds it when its job runs.

    others: the policies of the same file, as `before` names one of them.  folder: of the settings file.
    place: where its keys stand, for messages.
    """

    name: str
    settings: PolicySettings
    others: Mapping[str, PolicySettings] = field(default_factory=dict, repr=False)
    folder: str = "."
    place: SettingPlace = field(default=dotted, repr=False, compare=False)
