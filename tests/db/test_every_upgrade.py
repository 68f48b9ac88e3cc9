"""A database of every earlier revision after its upgrade: known, armed, set aside, done and due as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sexton import Job, every
from sexton.clock import parse_instant
from sexton.db.migrate import HEAD_REVISION, migrate, revision
from sexton.run_state import NoRun, OutcomeCode, RunState
from sexton.slots.due import due_runs
from sexton.slots.history import RunRecord, history
from sexton.telemetry.counters import CounterReader
from sexton.telemetry.run_evidence import last_effect
from tests.support import earlier_shop as earlier
from tests.support.earlier_revisions import ENDED, REVISIONS, TEXTS, put_back_at

from .test_upgrade import Shop

pytestmark = [pytest.mark.databases("sqlite", "postgres15"), pytest.mark.parametrize("before", REVISIONS)]

NOON = parse_instant(earlier.NOW)
SOON = NOON + timedelta(minutes=30)

AFTER_BILLS = """
[policies.codes_after]
purge = "codes"
by = "ends"
keep = "1h"
before = "bills_over"
max_share = 1.0
"""


@pytest.fixture
def shop(before: str, empty_database: str, tmp_path: Path) -> Iterator[Shop]:
    """Rows of the product, and Sexton's tables of that revision brought to this one."""
    shop = Shop(empty_database, tmp_path, more=AFTER_BILLS)
    with shop.engine.begin() as connection:
        earlier.build(connection)
    shop.fill(bills=tuple((number,) for number in range(1, 6)), codes=(("x plain",), ("gone",)))
    put_back_at(shop.engine, tmp_path, before)
    with shop.engine.connect() as connection:
        assert revision(connection) == before < HEAD_REVISION
    assert migrate(shop.engine)
    yield shop
    shop.engine.dispose()


def test_what_was_told_armed_set_aside_and_archived_still_is(before: str, shop: Shop) -> None:
    armed = before >= "0004"  # before there was nothing to arm
    messages = shop.count("outbox_events")
    assert (shop.run("bills_over").total.picked, shop.count("outbox_events")) == (0, messages)
    shop.fill(bills=((6,),))
    told = shop.run("bills_over").total
    assert (told.picked, told.told) == (1, int(armed))

    gone = shop.run("codes_gone")
    assert (gone.code, gone.total.changed) == ((None, 1) if armed else (OutcomeCode.ONLY_COUNTED, 0))
    assert (gone.total.picked, gone.total.poison) == (1, 0), "what is set aside still rests"

    if before >= "0005":
        verified = shop.sexton("archive", "verify")
        assert (verified.code, verified.out.count("ok ")) == (0, 1), verified


def test_runs_of_before_are_read_as_they_were_meant(shop: Shop) -> None:
    with shop.engine.connect() as connection:
        states = {run.state: run for run in history(connection, job="shop.states")}
        told = [ended(run) for run in reversed(history(connection, job="shop.told"))]
        effect = last_effect(connection, "shop.states", NOON - timedelta(days=1))
        tally = CounterReader(["shop.states"]).read(connection, NOON + timedelta(hours=1)).jobs["shop.states"]

    assert {state: ended(run) for state, run in states.items()} == {
        RunState.SUCCEEDED: (None, None, None),
        RunState.PARTIAL: (None, ENDED["partial"], None),
        RunState.FAILED: (ENDED["failed"], None, None),
        RunState.TIMED_OUT: (ENDED["timed_out"], None, None),
        RunState.ABANDONED: (ENDED["abandoned"], None, OutcomeCode.PROCESS_DIED),
        RunState.CANCELLED: (ENDED["cancelled"], None, None),
        RunState.SKIPPED: (ENDED["skipped"], None, None),
    }
    assert told == [
        (None, TEXTS[0][1], OutcomeCode.ONLY_COUNTED),
        (None, TEXTS[1][1], OutcomeCode.REST_UNKNOWN),
        (None, TEXTS[2][1], None),
        (TEXTS[3][1], None, OutcomeCode.STOPPED_BY_GUARD),
        (TEXTS[4][1], None, OutcomeCode.COULD_NOT_BEGIN),
        (TEXTS[5][1], None, OutcomeCode.PROCESS_DIED),
        (TEXTS[6][1], None, OutcomeCode.OVERDUE),
    ]
    assert effect == NOON + timedelta(minutes=1), "the newest that went well and changed something"
    assert (tally.picked, tally.changed, tally.told) == (3 * len(ENDED), 2 * len(ENDED), len(ENDED))
    shown = shop.sexton("show", "101")
    assert f"  note      {ENDED['partial']}" in shown.out.splitlines(), shown


def ended(run: RunRecord) -> tuple[str | None, str | None, str | None]:
    """What is on record about its end."""
    return run.error, run.note, run.outcome_code


def test_slots_that_were_done_are_done_and_others_are_due(shop: Shop) -> None:
    names = ("done", "given_up", "cut", "asked", "under_way", "crashed")
    jobs = [Job(f"shop.{name}", work=lambda run: None, schedule=every("1h")) for name in names]
    with shop.engine.begin() as connection:
        due = {run.job: (run.slot, run.queued) for run in due_runs(connection, jobs, SOON)}

    assert due == {"shop.asked": (None, 123), "shop.cut": (NOON, None), "shop.under_way": (NOON, None)}
    again = {name: shop.run_job(job, NOON) for name, job in zip(names, jobs, strict=True)}
    assert {name: run.state for name, run in again.items()} == {
        "done": NoRun.ALREADY_DONE,
        "given_up": NoRun.ALREADY_DONE,
        **dict.fromkeys(("cut", "asked", "under_way", "crashed"), RunState.SUCCEEDED),
    }


def test_before_goes_by_the_run_that_took_rows_not_by_one_that_only_counted(shop: Shop) -> None:
    with shop.engine.begin() as connection:
        earlier.add(connection, "codes", ("late",))
        ends = "2026-06-15 10:30:00.000000" + ("" if shop.engine.dialect.name == "sqlite" else "+00")
        connection.exec_driver_sql(f"UPDATE codes SET ends = '{ends}' WHERE code = 'late'")

    assert shop.run("codes_after").total.picked == 2, "of three codes one is later than what was told about bills"
