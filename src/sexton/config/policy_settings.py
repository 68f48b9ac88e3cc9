"""Settings `[policies.NAME]`: what happens to rows of a table of yours, without Python; loaded only when used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..setting_fields import dotted, setting

SettingPlace = Callable[[Sequence[str]], str]
"""Where a key of the settings stands, for messages: "sexton.toml line 14: policies.tidy.only"."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What policies of all kinds can be told; `sexton.declared.kinds` has what each kind adds.

    A kind is a dataclass made from this one. Its `action` is the key that selects it and names the table. What is a
    property here is a setting of some kinds, and for the others as it says.
    """

    action: ClassVar[str]

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
    unless_referenced_by: Mapping[str, str] = setting(
        {}, "tables whose rows keep those alive that they refer to, and their column that does"
    )
    before: str | None = setting(
        None,
        "another policy: only rows whose time it has been through; or the job of a roll-up, such as `shop.sales`: only "
        "rows of windows that it computes no more",
        example="archive_orders",
    )
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
    def table(self) -> str:
        """Name of the table, with its schema if that was given."""
        return str(getattr(self, self.action))

    @property
    def born(self) -> bool:
        """Whether the column is a birth."""
        return self.kind == "birth" or (self.kind is None and self.keep is not None)

    @property
    def tells(self) -> bool:
        """Whether there is a message about each row."""
        return self.event is not None

    @property
    def ahead(self) -> str | None:
        """How long before its time a row is due."""
        return None

    @property
    def children(self) -> Mapping[str, object]:
        """What happens to rows that hang on those of the table."""
        return {}

    @property
    def set(self) -> Mapping[str, object]:
        """New values by column."""
        return {}

    @property
    def clear(self) -> tuple[str, ...]:
        """Columns that become NULL."""
        return ()

    @property
    def files(self) -> str | None:
        """The folder that its files go to, seen from that of the settings; None: it writes none."""
        return None

    def what(self) -> str:
        """What it does, as the first words of a sentence: "delete rows of sessions"."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does")

    def own_words(self) -> Iterator[str]:
        """What the sentence leaves out of what the kind adds, line by line."""
        yield from ()


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
