"""REP-6, REP-29, REP-39, REP-40, ORA-APP, BJ-25.4: one table of outcomes, and every engine runs through it.

For whatever a job does there is one state, one line of history, one answer to what becomes of its slot and of the
later one; whoever starts it. The table is `tests/support/outcome_jobs.py`, the engines are in `engines.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import OperationalError

from sexton.app import App
from sexton.config import Settings
from sexton.db.server_clock import ask_now
from sexton.engines.contract import execute, in_the_way
from sexton.engines.run_order import UNKNOWN_SECONDS, UNSETTLED_SECONDS, Next, after
from sexton.errors import DatabaseUnreachable, SchemaOutdated, SextonError
from sexton.run_state import NoRun, OutcomeCode, RunState
from sexton.runs.outcome import Outcome
from sexton.slots.claim import claim, finish
from sexton.slots.due_run import DueRun
from sexton.slots.ending import Ending
from sexton.slots.history import RunRecord, history
from tests.contracts.engines import ENGINES, EngineCase, run_due
from tests.support.children import command_line, command_line_to_the_last_word
from tests.support.outcome_jobs import MOST, ROWS, YEARLY, Row
from tests.support.past_runs import add_runs, run_row
from tests.support.patience import PATIENCE
from tests.support.sessions import make_sessions
from tests.support.worker import LONG, Yard, make_yard
from tests.support.workers import Start

QUICK = {name: row for name, row in ROWS.items() if not row.slow}
SLOW = {name: row for name, row in ROWS.items() if row.slow}
OLD = timedelta(days=3650)


def make_rows(engine: Engine, database: str, folder: Path, start: Start, rows: Mapping[str, Row]) -> Yard:
    """A yard in which slots of each of these jobs are to be made up, and trouble waits for the functions."""
    shop = make_sessions(engine)
    shop.add(2, age=OLD)
    with engine.begin() as connection:
        connection.execute(insert(shop.accesses).values(session_id=1))
        connection.execute(text("CREATE TABLE troubles (job text)"))
        for row in rows.values():
            connection.execute(text("INSERT INTO troubles VALUES (:job)"), {"job": row.job.name})
    slots = slots_of(engine)
    done = {row.job.name: slots[-1 - row.slots] for row in rows.values()}
    add_runs(engine, *(run_row(name, "succeeded", slot, slot=slot) for name, slot in done.items()))
    return make_yard(engine, database, folder, start, jobs="tests.support.outcome_jobs", lease=LONG)


def slots_of(engine: Engine) -> list[datetime]:
    """The last slots, oldest first; of each job one is on record, and those after it are due."""
    with engine.connect() as connection:
        slots = [YEARLY.previous(ask_now(connection))]
    while len(slots) <= MOST:
        slots.insert(0, YEARLY.previous(slots[0] - timedelta(days=1)))
    return slots


def expected(row: Row, slots: list[datetime]) -> list[tuple[datetime, int, str]]:
    """What is to be on record of a job: slot, attempt, state; in this order."""
    first, *later = slots[-row.slots :]
    again = [(first, 2, "succeeded")] if row.again else []
    return [(first, 1, row.state), *again, *((slot, 1, row.then) for slot in later)]


def on_record(runs: list[RunRecord]) -> list[tuple[datetime | None, int, str]]:
    """The same, of what was made up."""
    return [(run.slot, run.attempt, run.state) for run in runs[1:]]


def here(engine: Engine, rows: Mapping[str, Row]) -> dict[str, Row]:
    """Those that this database knows."""
    return {name: row for name, row in rows.items() if engine.dialect.name in row.on}


WITHOUT_A_LINE = ("rq",)
"""Their processes have no line to a worker of ours, which a function could close and go on: what it closes there is the
engine's, and the timeout of the run ends it."""


@pytest.mark.variants("celery, redis, threads")
@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("case", ENGINES, ids=lambda case: case.name)
@pytest.mark.parametrize("rows", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["quick", "slow"])
def test_rep_39_the_same_is_on_record_and_the_same_follows_whoever_starts_it(
    engine: Engine, database: str, tmp_path: Path, start: Start, case: EngineCase, rows: Mapping[str, Row]
) -> None:
    if rows is SLOW and not case.watched:
        pytest.skip("its processes are missed when their leases run out: see test_carried_trouble.py")
    rows = here(engine, rows)
    if case.name in WITHOUT_A_LINE:
        rows = {name: row for name, row in rows.items() if name != "hang_up"}
    yard = make_rows(engine, database, tmp_path, start, rows)
    slots = slots_of(engine)
    want = {name: expected(row, slots) for name, row in rows.items()}

    def found() -> dict[str, list[RunRecord]]:
        runs = yard.runs()
        return {name: [run for run in runs if run.job == row.job.name] for name, row in rows.items()}

    def done() -> bool:
        return all(
            len(runs) > len(want[name]) and all(run.finished_at for run in runs) for name, runs in found().items()
        )

    case.finish(yard, [row.job.name for row in rows.values()], done)

    ended = found()
    assert {name: on_record(runs) for name, runs in ended.items()} == want
    said = {name: runs[1].error or runs[1].note or "" for name, runs in ended.items()}
    assert {name: text for name, text in said.items() if rows[name].words not in text} == {}


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_40_by_hand_the_record_is_the_same_and_the_exit_code_says_it(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    rows = {name: row for name, row in here(engine, ROWS).items() if row.code is not None}
    yard = make_rows(engine, database, tmp_path, start, rows)

    codes = {}
    for name, row in rows.items():
        process = start(command_line_to_the_last_word, "run", row.job.name, yard.config)
        codes[name] = process.wait()

    runs = {run.job: run for run in yard.runs()}
    ended = {name: runs[row.job.name] for name, row in rows.items()}
    assert codes == {name: row.code for name, row in rows.items()}
    assert {name: run.state for name, run in ended.items()} == {name: row.state for name, row in rows.items()}
    said = {name: run.error or run.note or "" for name, run in ended.items()}
    assert {name: text for name, text in said.items() if rows[name].words not in text} == {}
    assert {run.slot for run in ended.values()} == {None}


def without_interpreter(*words: str) -> int:
    """A command whose Python has gone from its place, as during an upgrade."""
    sys.executable = "/nowhere/python"
    return command_line(*words)


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_40_where_no_process_can_be_had_nothing_is_on_record_and_all_slots_stay(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    """As under a worker, whose slots stay due: it says nothing about the job, and costs it no attempt."""
    rows = {name: ROWS[name] for name in ("well", "expire")}
    yard = make_rows(engine, database, tmp_path, start, rows)

    for _ in range(4):
        process = start(without_interpreter, "run", "--due", yard.config, *(row.job.name for row in rows.values()))
        code = process.wait()
        assert code == 3, process.errors
        assert "its process could not start: No such file or directory" in process.output
        assert '"outcome_code": "no_process"' in process.output

    assert len(yard.runs("outcome.well")) == 1
    assert len(yard.runs("outcome.expire")) == 3, "policies need none"
    run_due(yard, ["outcome.well"], lambda: len(yard.runs("outcome.well")) == 3)
    assert [run.attempt for run in yard.runs("outcome.well")] == [1, 1, 1]


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("case", ENGINES, ids=lambda case: case.name)
def test_rep_39_what_another_process_holds_waits_for_it(
    engine: Engine, database: str, tmp_path: Path, start: Start, case: EngineCase
) -> None:
    """Nothing is on record of a slot that is held, none passes it, and it is the first to run afterwards."""
    rows = {name: ROWS[name] for name in ("well", "expire")}
    yard = make_rows(engine, database, tmp_path, start, rows)
    held = claim(engine, DueRun("outcome.well"), lease_seconds=10 * PATIENCE)

    case.finish(yard, [row.job.name for row in rows.values()], lambda: len(yard.runs("outcome.expire")) == 3)
    assert [run.slot for run in yard.runs("outcome.well")[1:]] == [None]

    finish(engine, held, Ending(RunState.SUCCEEDED), {})
    case.finish(yard, ["outcome.well"], lambda: len(yard.runs("outcome.well")) == 4)
    assert [run.slot for run in yard.runs("outcome.well")[2:]] == slots_of(engine)[-2:]


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_39_a_job_that_nobody_here_knows_stays_for_whoever_knows_it(engine: Engine, database: str) -> None:
    """No row, no attempt; and the look at it comes later, as a deploy takes its time."""
    app = App(Settings(database=database))

    outcome = execute(app, DueRun("shop.gone", slots_of(engine)[-1]))

    assert (outcome.state, outcome.run_id, outcome.exit_code, outcome.refused) == (NoRun.UNKNOWN_JOB, None, 2, True)
    assert outcome.error == "no job named 'shop.gone'; known: sexton.housekeeping"
    assert after(outcome) == Next(settled=False, look_again=UNKNOWN_SECONDS)
    with engine.connect() as connection:
        assert history(connection) == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("words", [("run", "--due"), ("run", "outcome.well"), ("worker",)])
@pytest.mark.parametrize("wrong", ['batch_time = "soon"', "[nonsense]"])
def test_rep_40_wrong_settings_are_nobodys_job_and_end_every_command_alike(
    engine: Engine, database: str, tmp_path: Path, start: Start, words: tuple[str, ...], wrong: str
) -> None:
    yard = make_rows(engine, database, tmp_path, start, {"well": ROWS["well"]})
    file = tmp_path / "sexton.toml"
    file.write_text(f"{file.read_text()}{wrong}\n")

    process = start(command_line, *words, yard.config)

    assert process.wait() == 2
    assert process.errors.startswith("sexton: ")
    assert len(yard.runs()) == 1


@pytest.mark.parametrize(
    ("outcome", "then"),
    [
        (Outcome("shop.a", RunState.SUCCEEDED, 1), Next(settled=True, look_again=0.0)),
        (Outcome("shop.a", RunState.FAILED, 1), Next(settled=True, look_again=0.0)),
        (Outcome("shop.a", NoRun.ALREADY_DONE), Next(settled=True, look_again=0.0)),
        (Outcome("shop.a", RunState.CANCELLED, 1), Next(settled=False, look_again=UNSETTLED_SECONDS)),
        (Outcome("shop.a", NoRun.HELD), Next(settled=False, look_again=UNSETTLED_SECONDS)),
        (Outcome("shop.a", NoRun.UNREACHABLE, 1), Next(settled=False, look_again=UNSETTLED_SECONDS)),
        (Outcome("shop.a", NoRun.UNREACHABLE), Next(settled=False, look_again=UNSETTLED_SECONDS, in_the_way=True)),
    ],
)
def test_rep_39_what_follows_from_an_outcome(outcome: Outcome, then: Next) -> None:
    """A run that was lost with its database is one job's; one that could not begin keeps all from beginning."""
    assert after(outcome) == then


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatabaseUnreachable("gone"), OutcomeCode.DATABASE_LOST),
        (OperationalError("SELECT 1", {}, Exception("gone")), OutcomeCode.DATABASE_LOST),
        (SchemaOutdated("run: sexton migrate"), None),
        (SextonError("this machine's clock is +90 s from the database's"), None),
    ],
)
def test_rep_39_what_is_in_the_way_of_all_is_not_always_a_lost_database(
    error: Exception, code: OutcomeCode | None
) -> None:
    outcome = in_the_way(DueRun("shop.a"), error)

    assert after(outcome).in_the_way
    assert outcome.code == code
