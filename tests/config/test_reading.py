"""Packs declare options of their own, and get the same refusals for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import pytest

from sexton.config import read_into, setting
from sexton.errors import SettingsError

WHERE = "sexton.toml: pack.shop"


@dataclass(frozen=True, slots=True)
class Reminder:
    """When a reminder goes out."""

    after: str = setting("3d", "how long after the order", kind="duration", minimum="1h", maximum="30d")
    share: float = setting(0.5, "share of the orders", minimum=0.0, maximum=1.0)

    def check(self) -> None:
        """ValueError for a pair that makes no sense."""
        if self.after == "1h" and self.share == 1:
            raise ValueError("after an hour, not everybody")


@dataclass(frozen=True, slots=True)
class Options:
    """Options as a pack may declare them."""

    shop: str
    reminder: Reminder = field(default_factory=Reminder)
    reminders: dict[str, Reminder] = field(default_factory=dict)
    tables: Mapping[str, str] = setting({}, "names of tables", keys=("licenses", "orders"))
    columns: Mapping[str, dict[str, str]] = setting({}, "names of columns")
    holds: Mapping[str, str] = setting({}, "how long", kind="duration", minimum="1d")
    days: tuple[int, ...] = setting((), "days", minimum=1, maximum=31)
    texts: list[str] = field(default_factory=list)
    note: str | None = None
    least: Optional[int] = None  # noqa: UP045 - the older spelling must work too
    anything: Any = None


def refusal(**options: object) -> str:
    with pytest.raises(SettingsError) as caught:
        read_into(Options, {"shop": "x", **options}, where=WHERE)
    return str(caught.value).removeprefix(WHERE)


def test_options_of_every_type_are_read() -> None:
    options = read_into(
        Options,
        {
            "shop": "x",
            "reminder": {"after": "2d", "share": 1},
            "reminders": {"second": {"after": "9d"}},
            "tables": {"licenses": "vendor_licences"},
            "columns": {"licenses": {"expires_at": "valid_until"}},
            "holds": {"a": "2d"},
            "days": [1, 15],
            "texts": ["two\nlines"],
            "note": "n",
            "least": 2,
            "anything": {"at": [1, None]},
        },
        where=WHERE,
    )
    assert options == Options(
        shop="x",
        reminder=Reminder("2d", 1.0),
        reminders={"second": Reminder("9d")},
        tables={"licenses": "vendor_licences"},
        columns={"licenses": {"expires_at": "valid_until"}},
        holds={"a": "2d"},
        days=(1, 15),
        texts=["two\nlines"],
        note="n",
        least=2,
        anything={"at": [1, None]},
    )


def test_free_text_may_be_long_and_hold_addresses() -> None:
    for text in ("https://shop.test/hook?a=b", "shop@example.com", "x" * 10_000):
        assert read_into(Options, {"shop": text}, where=WHERE).shop == text


def test_instances_do_not_share_their_tables() -> None:
    first = read_into(Options, {"shop": "x"}, where=WHERE)
    second = read_into(Options, {"shop": "x"}, where=WHERE)
    assert first.tables == second.tables == {}
    assert first.tables is not second.tables


WRONG: list[tuple[dict[str, object], str]] = [
    ({"reminder": {"afer": "2d"}}, ".reminder.afer: unknown key; did you mean after"),
    ({"reminder": {"after": "59m"}}, '.reminder.after: "59m" is too short; write at least "1h"'),
    ({"reminder": {"after": "31d"}}, '.reminder.after: "31d" is too long; write at most "30d"'),
    ({"reminder": {"share": 1.5}}, ".reminder.share: 1.5 is out of range; write a number from 0.0 to 1.0"),
    (
        {"reminder": {"share": float("nan")}},
        ".reminder.share: must be a finite number; write a number from 0",
    ),
    ({"reminder": {"share": "1"}}, ".reminder.share: must be a number, not text"),
    ({"reminder": {"share": True}}, ".reminder.share: must be a number, not true or false"),
    ({"reminder": {"share": 10**400}}, ".reminder.share: must be a finite number; write a number from 0"),
    ({"reminder": {"after": "1h", "share": 1}}, ".reminder: after an hour, not everybody"),
    ({"reminders": {"a": {"after": "1h", "share": 1}}}, ".reminders.a: after an hour, not everybody"),
    (
        {"reminders": {"a.b": {"after": 5}}},
        '.reminders."a.b".after: must be a duration in quotes, not a whole',
    ),
    ({"reminders": {"a": "2d"}}, ".reminders.a: must be a table, not text"),
    ({"tables": {"licences": "x"}}, ".tables.licences: unknown key; did you mean licenses?"),
    ({"tables": {"": "x"}}, ".tables: a key is empty; name what the value belongs to"),
    ({"tables": {"orders": 5}}, ".tables.orders: must be text in quotes, not a whole number"),
    ({"columns": {"orders": {"a": ""}}}, ".columns.orders.a: the text is empty"),
    ({"columns": {"orders": {"a": "b\0"}}}, ".columns.orders.a: the text holds a control character"),
    ({"columns": {"orders": "a"}}, ".columns.orders: must be a table, not text"),
    ({"holds": {"a": "1h"}}, '.holds.a: "1h" is too short; write at least "1d"'),
    ({"days": [1, 32]}, ".days: item 2: 32 is out of range; write a number from 1 to 31"),
    ({"days": 5}, ".days: must be a list, not a whole number"),
    ({"note": 5}, ".note: must be text in quotes, not a whole number"),
    ({"note": None}, ".note: must be text in quotes, not nothing"),
    ({"least": 2**63}, ".least: the number is too large"),
    ({"least": 10**5000}, ".least: the number is too large"),
    ({"shop": 10**5000}, ".shop: must be text in quotes, not a whole number"),
]


@pytest.mark.parametrize(("options", "wrong"), WRONG)
def test_c5_a_wrong_option_is_refused_in_one_line(options: dict[str, object], wrong: str) -> None:
    message = refusal(**options)
    assert message.startswith(wrong)
    assert message.isprintable()


def test_c5_an_option_without_a_default_must_be_given() -> None:
    with pytest.raises(SettingsError) as caught:
        read_into(Options, {}, where=WHERE)
    assert str(caught.value) == f"{WHERE}.shop: this setting is missing and has no default; add it"


def test_a_check_of_the_whole_is_named_by_the_place_alone() -> None:
    with pytest.raises(SettingsError) as caught:
        read_into(Reminder, {"after": "1h", "share": 1}, where=WHERE)
    assert str(caught.value) == f"{WHERE}: after an hour, not everybody"


@dataclass
class Unreadable:
    """A field of a type that no settings file can give."""

    when: complex = 0


def test_a_type_that_cannot_be_read_is_the_programmers_mistake() -> None:
    with pytest.raises(TypeError, match="a setting cannot have the type"):
        read_into(Unreadable, {"when": 1}, where=WHERE)
