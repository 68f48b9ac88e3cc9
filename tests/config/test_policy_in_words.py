"""`explain` and `arm` tell of every option what it means, in words."""

from __future__ import annotations

import pytest

from sexton.config.policy_in_words import details
from sexton.declared.policy_tables import read_policy

ITEMS = {"items": {"column": "order_id", "children": {"notes": {"column": "item", "action": "set null"}}}}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"only": {"status": ["done", "failed"]}}, "only where status is 'done' or 'failed'"),
        ({"only": {"gone": True}}, "only where gone is True"),
        ({"only": {"status": {"not": "open"}}}, "only where status is not 'open'"),
        ({"only": {"size": {"at_least": 1, "below": 9}}}, "only where size is at least 1 and is below 9"),
        ({"only": {"seen_at": {"null": True}}}, "only where seen_at is NULL"),
        ({"only": {"seen_at": {"null": False}}}, "only where seen_at is not NULL"),
        ({"only": {"seen_at": {"older_than": "1d"}}}, "only where seen_at is older than '1d'"),
        ({"boundary": "<="}, "rows whose time it is to the instant are due, too"),
        ({"zone": "Europe/Berlin"}, "days, and times without a zone, are those in Europe/Berlin"),
        (
            {"zone_column": "tz", "zone_parent": {"shops": "shop"}, "zone": "UTC"},
            "days, and times without a zone, are those in the zone that tz says of shops, found by shop, else in UTC",
        ),
        ({"unless_referenced_by": {"payments": "order_id"}}, "keeps rows that order_id of payments refers to"),
        ({"keep_last": 5, "per": ["user_id", "kind"]}, "keeps the newest 5 of each user_id and kind"),
        ({"before": "rollup"}, "waits until policy rollup has been through"),
        ({"event": "gone", "to": "email"}, "tells gone to email, once for each row and ends"),
        ({"children": ITEMS}, "clears item of notes first, where it refers to those of items"),
        ({"children": ITEMS}, "deletes items first, those whose order_id refers to it"),
        (
            {"children": {"payments": {"column": "order_id", "action": "refuse"}}},
            "sets aside a row, and keeps it, where order_id of payments refers to it",
        ),
        ({"order": ["priority"]}, "by priority, then the oldest first"),
        ({"limit": 10000}, "at most 10,000 rows a run"),
        ({"batch": 500}, "at most 500 rows a batch"),
        ({}, "stops before it takes more than 20% of the table"),
    ],
)
def test_an_option_in_words(written: dict[str, object], words: str) -> None:
    settings = read_policy({"purge": "orders", "by": "ends", **written}, ("policies", "tidy"))

    assert words in details(settings)


def test_what_is_changed_in_words() -> None:
    transition = {"transition": "orders", "by": "ends", "set": {"status": "expired", "closed_at": {"now": True}}}
    anonymise = {"anonymise": "people", "by": "left_at", "keep": "90d", "clear": ["email", "phone"]}
    archive = {"archive": "orders", "by": "ends", "into": "old"}

    lines = [details(read_policy(one, ("policies", "tidy"))) for one in (transition, anonymise, archive)]

    assert lines[0][:2] == ["status becomes 'expired'", "closed_at becomes the time of the run"]
    assert lines[1][0] == "clears email and phone"
    assert lines[2][0] == "files lie in old"
