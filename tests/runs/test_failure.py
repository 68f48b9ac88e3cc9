"""REP-5: recording a failure cannot fail, whatever the exception is; and a failure can be understood afterwards."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from sexton import Job, Run
from sexton.config.alert_settings import AlertSettings
from sexton.db.column_types import MAX_LINES_BYTES
from sexton.db.connect import open_database, read_only
from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.errors import JobFailed
from sexton.run_counts import Counts
from sexton.runs.failure import MAX_SHOWN_EXCEPTIONS, error_message, raised_at, traceback_text
from sexton.slots.history import Traceback, history, kept_traceback
from sexton.telemetry.assessment import assess_jobs
from sexton.telemetry.incidents import open_incidents
from sexton.telemetry.logs import ended
from sexton.testing import run_job
from tests.support.pace import UNHURRIED

SQLITE_AND_POSTGRES = pytest.mark.databases("sqlite", "postgres15")


class Mute(Exception):
    """Its text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Leaving(Exception):
    """Its text ends the process."""

    def __str__(self) -> NoReturn:
        raise SystemExit(0)


class Text(str):
    """A text that is not as it seems."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("no words")

    __getitem__ = splitlines = strip = __str__  # type: ignore[assignment]


class Circle(Exception):
    """Its own cause."""

    def __init__(self) -> None:
        super().__init__("round")
        self.__cause__ = self


def never(error: object) -> NoReturn:
    """In the place of what an error has: computed when it is asked for."""
    raise RuntimeError("not to be had")


Lazy = type("Lazy", (Exception,), {"code": property(never), "__cause__": property(never)})
Masked = type("Masked", (Exception,), {"__class__": property(never)})


def odd_name() -> Exception:
    kind: type[Exception] = type("Ä\n\x1b[31m" + "e" * 5_000, (Exception,), {})
    return kind("why")


def noted() -> Exception:
    error = ValueError("noted")
    error.add_note("at row 7\x00\x1b[2J")
    error.__notes__ += [3, None]  # type: ignore[list-item]
    return error


def deep() -> Exception:
    group: ExceptionGroup[Exception] = ExceptionGroup("leaf", [ValueError("in\x00ner")])
    for _ in range(200):
        group = ExceptionGroup("gr\x00up", [group] * 10)
    return group


ERRORS: dict[str, tuple[Callable[[], Exception], str]] = {
    "NUL": (lambda: ValueError("a\x00b"), "ValueError: a\\u0000b"),
    "surrogate": (lambda: ValueError("a\ud800b"), "ValueError: a\\ud800b"),
    "control characters": (lambda: ValueError("a\x1b[2Jb\x07\x9b"), "ValueError: a\\u001b[2Jb\\u0007\\u009b"),
    "carriage return": (lambda: ValueError("all is well\rno"), "ValueError: all is well"),
    "reversed": (lambda: ValueError("a\u202eb"), "ValueError: a\\u202eb"),
    "bytes": (lambda: ValueError(b"a\xff\x00".decode("utf-8", "surrogateescape")), "ValueError: a\\udcff\\u0000"),
    "no UTF-8": (lambda: UnicodeDecodeError("utf-8", b"\xff\x00", 0, 1, "bad"), "UnicodeDecodeError: 'utf-8' codec"),
    "huge": (lambda: ValueError("x\x00" * 5_000_000), "ValueError: x\\u0000x\\u0000"),
    "huge secret": (lambda: ValueError("x://" + "a-:" * 3_000_000), "ValueError: x://a-:"),
    "mute": (Mute, "Mute: (its message cannot be read: RuntimeError)"),
    "leaving": (Leaving, "Leaving: (its message cannot be read: SystemExit)"),
    "odd text": (lambda: ValueError(Text("odd")), "ValueError: (its message cannot be read: RuntimeError)"),
    "no message": (ValueError, "ValueError: (no message)"),
    "name": (odd_name, "Ä\\n\\u001b[31meee"),
    "group": (deep, "ExceptionGroup: gr\\u0000up (10 sub-exceptions)"),
    "notes": (noted, "ValueError: noted"),
    "circle": (Circle, "Circle: round"),
    "lazy": (Lazy, "Lazy: (no message)"),
    "masked": (Masked, "Masked: (its message cannot be read: RuntimeError)"),
    "secret": (lambda: ValueError("postgresql://u:hunter2@h/x password=hunter2"), "ValueError: postgresql://***@h/x "),
}


def failing(error: Callable[[], BaseException], **more: Any) -> Job:
    """A job whose function raises it."""

    def work(run: Run) -> None:
        secret = "hunter2"
        raise error() from (ValueError(f"hidden\x00 token={secret}") if more.get("cause") else None)

    return Job("shop.failing", work=work)


@SQLITE_AND_POSTGRES
def test_rep_5_whatever_a_function_raises_the_run_is_failed_once_and_an_incident_opens(engine: Engine) -> None:
    for name, (error, start) in ERRORS.items():
        outcome = run_job(engine, failing(error))

        assert (outcome.state, outcome.exit_code) == ("failed", 1), name
        with read_only(engine) as connection:
            past = history(connection)[0]
            kept = kept_traceback(connection, past.id)
        assert past.error is not None
        assert past.error.startswith(start), name
        assert past.error.isprintable(), name
        assert len(past.error) <= 900, name
        if kept is None:
            assert name in ("lazy", "masked"), name  # their frames may be had, but not all that is told with them
            continue
        assert len(kept.text.encode()) <= MAX_LINES_BYTES, name
        assert all(line.isprintable() for line in kept.text.split("\n")), name
        assert "hunter2" not in kept.text.replace('secret = "hunter2"', ""), name
        json.loads(ended(outcome, 1.0))
    with read_only(engine) as connection:
        assert {past.state for past in history(connection, limit=100)} == {"failed"}
        assert len(history(connection, limit=100)) == len(ERRORS)
        now = ask_now(connection)

    assess_jobs(engine, [failing(Mute)], AlertSettings(channels=("log",)), now)

    with read_only(engine) as connection:
        assert [incident.job for incident in open_incidents(connection)] == ["shop.failing"]


@pytest.mark.databases("postgres15")
def test_rep_5_a_database_that_holds_less_than_all_text_gets_escapes(engine: Engine) -> None:
    """`Line` knows the encoding of each connection; a database in LATIN1 has no word for 日."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS narrow"))
        connection.execute(text("CREATE DATABASE narrow ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'"))
    from sexton.db.migrate import migrate

    narrow = open_database(engine.url.set(database="narrow").render_as_string(hide_password=False))
    try:
        migrate(narrow)
        for client in ("LATIN1", "UTF8"):
            wide = open_database(
                narrow.url.update_query_dict({"client_encoding": client}).render_as_string(hide_password=False)
            )
            outcome = run_job(wide, failing(lambda: ValueError("Übel 日\x00")))
            with read_only(wide) as connection:
                past = history(connection)[0]
                assert kept_traceback(connection, past.id) is not None
            assert (outcome.state, past.state) == ("failed", "failed"), client
            assert past.error in ("ValueError: Übel \\u65e5\\u0000", "ValueError: \\u00dcbel \\u65e5\\u0000")
            wide.dispose()
    finally:
        narrow.dispose()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("DROP DATABASE narrow WITH (FORCE)"))


@SQLITE_AND_POSTGRES
def test_rep_5_names_and_numbers_of_others_in_counts_are_kept(engine: Engine) -> None:
    counts = Counts(changed=1, also={"a\x00b": 2, "\ud800": 3})

    assert run_job(engine, Job("shop.counting", work=lambda run: counts)).state == "succeeded"

    with read_only(engine) as connection:
        (steps,) = history(connection)[0].steps.values()
    assert (steps.changed, steps.also) == (1, {"a\\u0000b": 2, "\\ud800": 3})


WRONG: list[dict[str, Any]] = [
    {"changed": "3"},
    {"told": 2**63},
    {"picked": -1},
    {"changed": 1.5},
    {"also": {"rows": None}},
    {"also": ["rows"]},
]


def test_rep_5_counts_that_are_none_fail_the_run(engine: Engine) -> None:
    for counts in WRONG:
        outcome = run_job(engine, Job("shop.counting", work=lambda run, counts=counts: Counts(**counts)))

        assert outcome.state == "failed", counts
        assert "Counts that count no rows" in (outcome.error or ""), counts


class OnPurpose(JobFailed):
    """Of the product, and odd."""

    __str__ = Mute.__str__


@SQLITE_AND_POSTGRES
def test_rep_5_an_error_raised_on_purpose_may_be_odd_as_well(engine: Engine) -> None:
    assert run_job(engine, failing(OnPurpose)).error == "(its message cannot be read: RuntimeError)"
    assert run_job(engine, failing(lambda: JobFailed("a\x00b token=hunter2"))).error == "a\\u0000b token=***"


@SQLITE_AND_POSTGRES
def test_rep_5_a_host_with_an_odd_name_holds_its_lease(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "hôst\x00\udcff\n")

    assert run_job(engine, Job("shop.fine", work=lambda run: None)).state == "succeeded"

    with read_only(engine) as connection:
        assert history(connection)[0].worker.startswith("h\\u00f4st\\u0000\\udcff\\n:")


def test_a_failure_lets_go_of_what_the_function_held(engine: Engine) -> None:
    """The frames of the function hold its rows; a worker's executor lives on for weeks."""

    class Rows:
        pass

    kept: list[weakref.ref[Rows]] = []

    def work(run: Run) -> None:
        rows = Rows()
        kept.append(weakref.ref(rows))
        raise KeyError("row")

    outcome = run_job(engine, Job("shop.holding", work=work))

    assert outcome.failure is not None
    outcome.failure.forget()
    assert kept[0]() is None
    assert outcome.failure.traceback is not None


@SQLITE_AND_POSTGRES
def test_the_traceback_of_a_failed_function_is_kept_and_logged(engine: Engine) -> None:
    outcome = run_job(engine, failing(lambda: KeyError("row"), cause=True))

    assert outcome.run_id is not None
    with read_only(engine) as connection:
        kept = kept_traceback(connection, outcome.run_id)
    assert kept is not None
    assert kept.place is not None
    assert kept.place.startswith(f"{__file__}:")
    assert kept.place.endswith(" in work")
    lines = kept.text.split("\n")
    assert lines[0] == "ValueError: hidden\\u0000 token=***"
    assert "The above exception was the direct cause of the following exception:" in lines
    assert [line for line in lines if "runner.py" in line] == []
    assert lines[-1] == "KeyError: 'row'"
    logged = json.loads(ended(outcome, 1.0))
    assert logged["traceback"].split("\n")[-1] == "KeyError: 'row'"
    assert logged["raised_at"] == kept.place


@SQLITE_AND_POSTGRES
def test_without_the_switch_no_traceback_is_kept_or_logged(engine: Engine) -> None:
    outcome = run_job(engine, failing(lambda: KeyError("row")), limits=replace(UNHURRIED, tracebacks=False))

    with read_only(engine) as connection:
        assert history(connection)[0].error == "KeyError: 'row'"
        assert kept_traceback(connection, outcome.run_id or 0) is None
    assert {"traceback", "raised_at"}.isdisjoint(json.loads(ended(outcome, 1.0)))


@SQLITE_AND_POSTGRES
def test_a_traceback_that_cannot_be_kept_does_not_change_how_the_run_ends(engine: Engine) -> None:
    table = own_tables(engine.dialect.name).tracebacks
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {table.fullname}"))

    outcome = run_job(engine, failing(lambda: KeyError("row")))

    assert (outcome.state, outcome.error) == ("failed", "KeyError: 'row'")
    assert outcome.failure is not None
    assert outcome.failure.traceback is not None


@SQLITE_AND_POSTGRES
def test_errors_of_the_database_show_no_rows_in_tracebacks(engine: Engine) -> None:
    """Neither DETAIL, nor parameters, nor the statement: through SQLAlchemy, through the driver, as a cause."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE people (id int PRIMARY KEY, mail text UNIQUE, age int CHECK (age > 0))"))
        connection.execute(text("INSERT INTO people VALUES (1, 'ann@example.org', 7)"))
    twice = text("INSERT INTO people VALUES (2, 'ann@example.org', 7)")
    bad = "INSERT INTO people VALUES (3, 'bob@example.org', -7)"

    def through_sqlalchemy(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(twice)

    def through_the_driver(run: Run) -> None:
        raw = run._engine.raw_connection()
        try:
            raw.cursor().execute(bad)
        finally:
            raw.close()

    def as_a_cause(run: Run) -> None:
        try:
            through_sqlalchemy(run)
        except IntegrityError as error:
            raise KeyError("wrapped") from error

    for work in (through_sqlalchemy, through_the_driver, as_a_cause):
        outcome = run_job(engine, Job("shop.inserting", work=work))
        assert (outcome.state, outcome.failure is not None) == ("failed", True)
        with read_only(engine) as connection:
            kept = kept_traceback(connection, outcome.run_id or 0)
            error = history(connection)[0].error
        assert isinstance(kept, Traceback)
        assert kept.place is not None
        assert kept.place.startswith(__file__)
        for said in (kept.text, error or ""):
            assert "@example.org" not in said.replace(bad, "").replace("(2, 'ann@example.org', 7)", ""), said
            assert "DETAIL" not in said


def test_a_policy_refused_by_the_database_has_no_traceback_of_ours() -> None:
    """Its error says what there is to say; frames of Sexton would tell nobody anything."""
    assert raised_at(ValueError("never raised")) is None


def test_the_alert_names_the_place(engine: Engine) -> None:
    job = failing(lambda: KeyError("row"))
    run_job(engine, job)
    with read_only(engine) as connection:
        now = ask_now(connection)

    assess_jobs(engine, [job], AlertSettings(channels=("log",), after_failures=1), now)

    alerts = own_tables(engine.dialect.name).alerts
    with read_only(engine) as connection:
        (message,) = connection.execute(select(alerts.c.message)).scalars()
    assert message["facts"]["last error"] == "KeyError: 'row'"
    assert message["facts"]["raised at"].startswith(f"{__file__}:")


def test_run_job_raises_what_the_function_raised(engine: Engine) -> None:
    with pytest.raises(KeyError, match="row") as caught:
        run_job(engine, failing(lambda: KeyError("row")), raise_errors=True)

    assert caught.traceback[-1].name == "work"
    with read_only(engine) as connection:
        assert [past.state for past in history(connection)] == ["failed"]
    with pytest.raises(JobFailed, match="returned int"):
        run_job(engine, Job("shop.odd", work=lambda run: 3), raise_errors=True)
    assert run_job(engine, Job("shop.fine", work=lambda run: None), raise_errors=True).state == "succeeded"


@SQLITE_AND_POSTGRES
def test_housekeeping_purges_old_tracebacks_and_keeps_the_runs(engine: Engine) -> None:
    from datetime import UTC, datetime

    from sexton.slots.housekeeping import steps

    table = own_tables(engine.dialect.name).tracebacks
    outcome = run_job(engine, failing(lambda: KeyError("row")))
    old = datetime(2020, 1, 1, tzinfo=UTC)
    with engine.begin() as connection:
        connection.execute(insert(table).values(run_id=999, text="old", place=None, created_at=old))
    keep = dict.fromkeys(("runs", "failed_runs", "effects", "outbox", "poison", "incidents"), "400d")
    keep |= dict.fromkeys(("dead_requests", "request_counts"), "400d")

    run_job(engine, Job("sexton.housekeeping", work=steps({**keep, "tracebacks": "30d"}, engine.dialect.name, True)))

    with read_only(engine) as connection:
        assert connection.execute(select(table.c.run_id)).scalars().all() == [outcome.run_id]


def recurse(depth: int) -> None:
    """Into the ground."""
    recurse(depth + 1)


def test_a_traceback_is_bounded_whatever_was_raised() -> None:
    try:
        recurse(0)
    except RecursionError as error:
        fallen = error
    assert "Previous line repeated" in traceback_text(fallen)
    assert (raised_at(fallen) or "").endswith(" in recurse")
    chain = ValueError("0")
    for number in range(100):
        following = ValueError(f"{number}\n" * 10_000)
        following.__cause__ = chain
        chain = following
    told = traceback_text(chain)
    assert len(told.encode()) <= MAX_LINES_BYTES
    assert "bytes left out" in told
    assert told.endswith("99")
    many = traceback_text(ExceptionGroup("many", [ValueError(str(number)) for number in range(500)]))
    assert many.count("ValueError") == MAX_SHOWN_EXCEPTIONS - 1


def test_words_of_a_metaclass_that_hides_the_name() -> None:
    class Hiding(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError(name)

    said = error_message(Hiding("Hidden", (Exception,), {})("why"))

    assert said == "Hidden: (its message cannot be read: RuntimeError)"
