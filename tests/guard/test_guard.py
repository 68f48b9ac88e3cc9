"""Policies in Python have the guard of the settings' ones: a share, a habit, and arming for who wants it (REP-16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert

from sexton import Guard, Job, PolicyError, Purge, Run, WarnOnce, text_key
from sexton.db.connect import read_only
from sexton.db.tables import own_tables
from sexton.guard.arming import arm_job, unarmed
from sexton.policies.contract import Message, Plan
from sexton.runs.runner import planned
from sexton.testing import preview_job, run_job
from tests.support.pace import UNHURRIED
from tests.support.sessions import NOON, Sessions, make_sessions

HOUR = timedelta(hours=1)
STOPPED = "stopped before its first row: step {}: more than {} rows are due, "


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Four hundred sessions, three hundred of them over."""
    shop = make_sessions(engine)
    shop.add(300, age=HOUR)
    shop.add(100, age=-HOUR, start=1001)
    return shop


def guarded(job: Job, **how: Any) -> Job:
    """The job with a guard, as all have unless it is switched off."""
    return replace(job, guard=Guard(**how))


def confirm(shop: Sessions, job: Job) -> None:
    """What `sexton arm` does."""
    due = {step: counts.picked for step, counts in preview_job(shop.engine, job, at=NOON).steps.items()}
    plans: list[Plan] = [plan for plan in planned(job) if isinstance(plan, Plan)]
    with shop.engine.begin() as connection:
        arm_job(connection, job.name, plans, due, "a test")


@pytest.mark.parametrize("kind", ["purge", "expire"])
def test_rep_16_a_flood_stops_until_a_person_has_looked(kind: str, shop: Sessions) -> None:
    job = guarded(getattr(shop, kind)())
    step = planned(job)[0].step

    assert preview_job(shop.engine, job, at=NOON).note == run_job(shop.engine, job, at=NOON).error
    stopped = run_job(shop.engine, job, at=NOON)
    assert (stopped.state, stopped.total.changed, len(shop.ids(status="open"))) == ("failed", 0, 400)
    assert (stopped.error or "").startswith(STOPPED.format(step, 100))
    assert (stopped.error or "").endswith(f"confirm: sexton arm {job.name}")

    confirm(shop, job)
    assert run_job(shop.engine, job, at=NOON).total.changed == 300
    assert run_job(shop.engine, job, at=NOON + timedelta(days=9)).total.changed == 100


def test_rep_16_a_flood_of_messages_stops_and_facts_without_any_do_not(shop: Sessions) -> None:
    columns = shop.table.c
    tell = Message("over", key=text_key("over", columns.id))
    warn = WarnOnce(shop.table, by=columns.expires_at, when=columns.expires_at < NOON, tell=tell)
    record = replace(warn, tell=replace(tell, event=None))

    assert "step warn_sessions: more than 100" in (run_job(shop.engine, Job("a.b", work=warn), at=NOON).error or "")
    assert run_job(shop.engine, Job("a.c", work=record), at=NOON).total.told == 300


def test_rep_16_a_job_may_have_another_share_or_no_guard(shop: Sessions) -> None:
    job = shop.purge()

    assert run_job(shop.engine, guarded(job, max_share=0.74), at=NOON).state == "failed"
    assert run_job(shop.engine, guarded(job, max_share=0.75), at=NOON).total.changed == 300
    shop.add(300, age=HOUR)
    assert job.guard is None
    assert run_job(shop.engine, job, at=NOON).total.changed == 300


def test_a_later_step_that_stops_leaves_what_the_earlier_ones_did(shop: Sessions) -> None:
    few = replace(shop.purge().work, only=shop.table.c.id <= 5, name="few")  # type: ignore[type-var]
    run = run_job(shop.engine, Job("shop.both", work=[few, shop.expire().work]), at=NOON)

    assert (run.state, len(shop.ids())) == ("failed", 395)
    assert (run.error or "").startswith(STOPPED.format("change_sessions", 100))


def test_each_step_has_a_habit_of_its_own(shop: Sessions) -> None:
    """Nine in ten each night are no flood for the one, and one for the other."""
    purge = shop.purge()
    for _ in range(5):
        assert run_job(shop.engine, purge, at=NOON).state == "succeeded"
        shop.add(300, age=HOUR)

    assert run_job(shop.engine, guarded(purge), at=NOON).total.changed == 300
    shop.add(300, age=HOUR)
    other = replace(purge, work=replace(purge.work, name="other"), guard=Guard())  # type: ignore[type-var]
    assert (run_job(shop.engine, other, at=NOON).error or "").startswith(STOPPED.format("other", 100))


def test_who_wants_it_has_a_job_that_only_counts_until_it_is_armed(shop: Sessions) -> None:
    """All of its steps, and functions among them: what comes after a step may rest on it."""
    called: list[str] = []

    def also(run: Run) -> None:
        if not run.dry_run:
            called.append("also")

    job = Job("shop.all", work=[shop.purge().work, also], guard=Guard(max_share=1.0, arm=True))

    run = run_job(shop.engine, job, at=NOON)
    assert (run.state, run.total.picked, run.total.changed, called) == ("succeeded", 300, 0, [])
    assert run.note == "only counted, as it is not armed; look at it and confirm: sexton arm shop.all"
    confirm(shop, job)
    assert (run_job(shop.engine, job, at=NOON).total.changed, called) == (300, ["also"])


CHANGES: dict[str, Callable[[Purge], Purge]] = {
    "keep": lambda purge: replace(purge, keep="1d"),
    "boundary": lambda purge: replace(purge, boundary="<="),
    "only": lambda purge: replace(purge, only=purge.table.c.status == "open"),
    "by": lambda purge: replace(purge, by=purge.table.c.created_at),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_rule_is_not_armed_any_more(what: str, shop: Sessions) -> None:
    purge = shop.purge().work
    assert isinstance(purge, Purge)
    job = Job("shop.purge", work=purge, guard=Guard(arm=True))
    confirm(shop, job)

    def why(work: Purge) -> str | None:
        with read_only(shop.engine) as connection:
            return unarmed(connection, job.name, planned(replace(job, work=work, timeout="9m")))

    assert why(replace(purge)) is None
    assert "it was changed since it was armed" in (why(CHANGES[what](purge)) or "")


def test_rows_that_are_set_aside_are_not_part_of_a_flood(shop: Sessions) -> None:
    job = guarded(shop.purge())
    aside = {"job": job.name, "step": planned(job)[0].step, "error": "refused", "attempts": 4}
    seen = {"first_seen_at": NOON, "last_seen_at": NOON}
    with shop.engine.begin() as connection:
        poison = own_tables(connection.dialect.name).poison
        connection.execute(insert(poison), [{**aside, **seen, "subject": str(number)} for number in range(1, 251)])

    assert run_job(shop.engine, job, at=NOON).total.changed == 50


def test_a_table_that_shrank_is_not_judged_by_its_old_statistics(shop: Sessions) -> None:
    with shop.engine.begin() as connection:
        connection.execute(delete(shop.table).where(shop.table.c.id > 1000))

    run = run_job(shop.engine, guarded(shop.purge(), max_share=0.9), at=NOON)

    assert "max_share = 0.9 of 300" in (run.error or "")


def test_few_rows_by_order_are_no_flood(shop: Sessions) -> None:
    assert (
        run_job(shop.engine, guarded(shop.purge()), at=NOON, limits=replace(UNHURRIED, row_limit=7)).total.changed == 7
    )


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), "a fifth", True])
def test_a_share_is_a_number_from_0_to_1(share: Any) -> None:
    with pytest.raises(PolicyError, match="max_share must be"):
        Guard(share)
