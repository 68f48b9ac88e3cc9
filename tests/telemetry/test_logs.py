"""The log lines of runs: one object a line: time, task, status, what was done (BJ-01.3, ORA-MON.2, PF-136.5)."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import Engine

from sexton import Counts, Job
from sexton.clock import parse_instant
from sexton.run_state import OutcomeCode, RunState
from sexton.runs.outcome import Outcome
from sexton.telemetry import logs
from sexton.testing import run_job
from tests.support.sessions import make_sessions


def lines_of(engine: Engine, job: Job) -> tuple[dict[str, object], dict[str, object]]:
    """What is said when the job starts and when it has ended."""
    started: list[str] = []
    outcome = run_job(engine, job, started=lambda claim: started.append(logs.started(claim)))
    return json.loads(started[0]), json.loads(logs.ended(outcome, 0.25))


def test_bj_01_3_a_run_says_when_what_and_how_it_went(engine: Engine) -> None:
    """ORA-BP.2, BJ-01.6, BJ-22.1: with the counts, the length in seconds, and the number under which history has it."""
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(days=4000))

    began, ended = lines_of(engine, shop.expire())

    assert parse_instant(str(began["time"]))
    assert (began["event"], began["job"]) == ("run started", "shop.expire_sessions")
    assert (ended["event"], ended["state"], ended["seconds"]) == ("run ended", "succeeded", 0.25)
    assert (ended["picked"], ended["changed"], ended["told"]) == (3, 3, 6)
    assert began["run"] == ended["run"] == shop.runs()[-1].id


def test_ora_mon_2_a_failure_is_one_line_with_the_error_and_a_row_in_history(engine: Engine) -> None:
    """The `cronLog` row of the ticket is the run row: task, status, message, when."""

    def fails(_run: object) -> Counts:
        raise RuntimeError("line one\nline two")

    shop = make_sessions(engine)
    _, ended = lines_of(engine, Job("shop.fails", work=fails))

    row = shop.runs()[-1]
    assert (ended["state"], ended["error"]) == ("failed", "RuntimeError: line one")
    assert (row.job, row.state, row.error) == ("shop.fails", "failed", "RuntimeError: line one")


def test_bj_22_5_whatever_a_text_holds_a_line_stays_one_line_of_json() -> None:
    outcome = Outcome("shop.odd", RunState.FAILED, 7, error='a "quoted"\nnew line\x1b[31m and {json: "inside"}')

    line = logs.ended(outcome, 1.0)

    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["error"] == outcome.error


def test_a_note_and_an_outcome_code_are_fields_of_their_own() -> None:
    outcome = Outcome("shop.fine", RunState.PARTIAL, 7, note="2 rows left", code=OutcomeCode.ONLY_COUNTED)

    line = json.loads(logs.ended(outcome, 1.0))

    assert (line["note"], line["outcome_code"], "error" in line) == ("2 rows left", "only_counted", False)


def test_fields_without_a_value_are_left_out() -> None:
    assert "error" not in json.loads(logs.ended(Outcome("shop.fine", RunState.SUCCEEDED, 7), 1.0))
