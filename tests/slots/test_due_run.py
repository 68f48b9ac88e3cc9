"""The value that engines hand on: what is sent as JSON is what arrives, and nothing else is taken for one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.errors import SextonError
from sexton.slots.due_run import HIGHEST_NUMBER, MOST_MISSED, DueRun

INSTANTS = st.datetimes(timezones=st.just(UTC))
SLOTS = st.builds(
    DueRun,
    job=st.text(min_size=1),
    slot=INSTANTS,
    as_of=st.none() | INSTANTS,
    missed=st.integers(0, MOST_MISSED),
    local_slot=st.none() | st.text(),
)
REQUESTS = st.builds(
    DueRun, job=st.text(min_size=1), as_of=st.none() | INSTANTS, queued=st.none() | st.integers(1, HIGHEST_NUMBER)
)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
SENT = DueRun("shop.expire", NOON, missed=2, local_slot="2026-06-15 15:00+0300 Asia/Jerusalem").to_json()


@given(SLOTS | REQUESTS)
def test_rep_39_a_due_run_survives_its_journey(due: DueRun) -> None:
    assert DueRun.from_json(json.loads(json.dumps(due.to_json()))) == due


def test_instants_of_other_zones_are_the_same_instants() -> None:
    assert DueRun.from_json({**SENT, "slot": "2026-06-15T15:00:00+03:00"}).slot == NOON


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"job": ""}, "job must be the name of a job"),
        ({"job": None}, "job must be the name of a job"),
        ({"slot": "2026-06-15T12:00:00"}, "slot must be null, or an instant with its offset"),
        ({"slot": "noon"}, "slot must be"),
        ({"slot": 7}, "slot must be"),
        ({"as_of": False}, "as_of must be"),
        ({"missed": -1}, "missed must be a whole number from 0"),
        ({"missed": True}, "missed must be"),
        ({"missed": 1.0}, "missed must be"),
        ({"missed": 2**31}, "missed must be"),
        ({"slot": None, "queued": 0}, "queued must be null, or the number of a run"),
        ({"slot": None, "queued": 2**63}, "queued must be"),
        ({"local_slot": 4}, "local_slot must be null, or text"),
        ({"wall": None}, "a due run is an object of job, slot, as_of, missed, queued, local_slot"),
    ],
)
def test_what_is_none_is_refused_in_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SextonError, match=words):
        DueRun.from_json({**SENT, **change})


@pytest.mark.parametrize("value", [None, [], "shop.expire", 3, {}, {"job": "shop.expire"}])
def test_what_is_no_object_of_these_fields_is_refused(value: object) -> None:
    with pytest.raises(SextonError, match="a due run is an object of"):
        DueRun.from_json(value)
