"""The exposition: every declared metric with its value, names as the tickets have them, and nothing else in it."""

from __future__ import annotations

import grp
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from sqlalchemy import Engine, insert

from sexton import Job, every
from sexton.calls.health import FailureKind
from sexton.db.tables import own_tables
from sexton.errors import DatabaseUnreachable, SextonError
from sexton.telemetry.health_reader import HealthReader, HealthReading
from sexton.telemetry.metrics import COUNTER, METRICS, Collector, exposition, write_textfile
from tests.support.called import failed, went_well
from tests.support.past_runs import add_lease, add_runs, database_time, run_row
from tests.support.patience import PATIENCE

A, B = (Job(name, schedule=every("1h"), work=print) for name in ("shop.a", "shop.b"))
CANARY = "qXcanaryX7"


def answered(database: str) -> HealthReading | SextonError:
    """A reading that is made now."""
    return HealthReader(database, (A, B), patience=PATIENCE, statement=PATIENCE).read()


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Name and label values of each sample -> its value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(text.decode())
        for sample in family.samples
    }


def fill(engine: Engine) -> None:
    """Runs that count on both sides of midnight; what they hold beside figures must not come out."""
    now = database_time(engine) + timedelta(seconds=50)
    counts = {"expire": {"picked": 5, "changed": 4, "told": 3, "skipped": 2}}
    add_runs(
        engine,
        run_row("shop.a", "succeeded", now, 0.0, slot=now, counts=counts, missed=6),
        run_row("shop.a", "failed", now, 0.0, slot=now + timedelta(seconds=1), error=CANARY, worker=CANARY),
        run_row("shop.a", "queued", now + timedelta(seconds=2)),
        run_row(f"shop.{CANARY}", "succeeded", now, 0.0),
    )
    own = own_tables(engine.dialect.name)
    poison = {"step": "s", "error": CANARY, "attempts": 1, "first_seen_at": now, "last_seen_at": now}
    event = {"event_type": "x", "recipient": CANARY, "payload": {"to": CANARY}, "created_at": now}
    incident = {"job": "shop.a", "kind": "late", "text": CANARY, "opened_at": now, "told_at": now}
    with engine.begin() as connection:
        connection.execute(insert(own.poison).values(poison | {"job": "shop.a", "subject": CANARY}))
        connection.execute(insert(own.outbox_events).values(event | {"key": CANARY, "attempt_count": 5}))
        connection.execute(insert(own.incidents).values(incident))
    add_lease(engine, "leader", now + timedelta(hours=1), holder=CANARY)


def test_pf_136_6_every_metric_has_its_value(database: str, engine: Engine) -> None:
    fill(engine)
    now = database_time(engine)

    found = samples(exposition(answered(database))[0])

    of_a = {name[0]: value for name, value in found.items() if name[1:] == ("shop.a",)}
    last = {name: of_a.pop(f"sexton_last_{name}_timestamp_seconds") for name in ("success", "start")}
    assert all(abs(value - now.timestamp()) < 60 for value in last.values())
    assert of_a == {
        "job_duration_seconds_count": 2,
        "job_duration_seconds_sum": pytest.approx(0),
        "job_success_total": 1,
        "job_failure_total": 1,
        "sexton_failures_in_a_row": 0,  # both began at the same instant
        "sexton_lateness_seconds": 0,
        "sexton_late": 0,
        "sexton_paused": 0,
        "sexton_rows_picked_total": 5,
        "sexton_rows_changed_total": 4,
        "sexton_rows_told_total": 3,
        "sexton_lock_skips_total": 2,
        "sexton_missed_slots_total": 6,
        "sexton_poison_rows": 1,
        "sexton_queue_depth": 1,
        "sexton_open_incidents": 1,
    }
    assert found["job_duration_seconds_bucket", "shop.a", "0.05"] == 2
    assert found["job_duration_seconds_bucket", "shop.a", "+Inf"] == 2
    assert found["sexton_last_success_timestamp_seconds", "shop.b"] == 0
    whole = {name[0]: value for name, value in found.items() if len(name) == 1}
    since = whole.pop("sexton_counted_since_timestamp_seconds")
    assert since % 86_400 == 0
    assert 0 <= database_time(engine).timestamp() - since < 86_400 + 60
    assert whole == {
        "sexton_up": 1,
        "sexton_leader": 1,
        "sexton_leader_missing": 0,
        "sexton_outbox_waiting": 1,
        "sexton_outbox_stuck": 1,
        "sexton_destinations_unwell": 0,
    }


def test_exactly_what_is_declared_is_exposed_in_both_forms(database: str) -> None:
    declared = {metric.name: metric.kind for metric in METRICS}
    answer = answered(database)
    plain, _ = exposition(answer)
    openly, content_type = exposition(answer, "application/openmetrics-text; version=1.0.0")

    families = openmetrics.text_string_to_metric_families(openly.decode())  # type: ignore[no-untyped-call]

    assert {family.name: family.type for family in parse(plain.decode())} == declared
    assert {family.name: family.type for family in families} == declared
    assert content_type.startswith("application/openmetrics-text")
    assert {name for name, kind in declared.items() if kind == COUNTER} >= {"job_success", "job_failure"}
    assert "job_duration_seconds" in declared


def test_x9_labels_are_jobs_of_the_registry_and_nothing_of_a_row_comes_out(database: str, engine: Engine) -> None:
    fill(engine)

    text, _ = exposition(answered(database))

    labels = {value for family in parse(text.decode()) for sample in family.samples for value in sample.labels.items()}
    assert {value for name, value in labels if name == "job"} == {"shop.a", "shop.b"}
    assert {name for name, _ in labels} == {"job", "le"}
    assert CANARY not in text.decode()


@pytest.mark.databases("sqlite")
def test_a_database_that_cannot_be_read_says_up_0_and_nothing_else(database: str) -> None:
    text, _ = exposition(DatabaseUnreachable(f"database {CANARY}"))

    assert samples(text) == {("sexton_up",): 0}
    assert CANARY not in text.decode()


@pytest.mark.databases("sqlite")
def test_a_product_can_take_the_collector_into_its_own_registry(database: str) -> None:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(Collector(HealthReader(database, (A,), patience=PATIENCE, statement=PATIENCE)))

    assert registry.get_sample_value("sexton_up") == 1
    assert registry.get_sample_value("job_success_total", {"job": "shop.a"}) == 0
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(Collector(HealthReader(database, (A,))))


@pytest.mark.databases("sqlite")
def test_the_textfile_is_written_in_one_piece(database: str, tmp_path: Path) -> None:
    path = tmp_path / "sexton.prom"
    path.write_text("old")
    path.chmod(0o600)
    with path.open() as reader:
        write_textfile(path, answered(database))
        assert reader.read() == "old"  # whoever had it open reads on in the old file

    assert samples(path.read_bytes())["sexton_up",] == 1
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.databases("sqlite")
def test_sec_11_planted_links_are_not_followed(database: str, tmp_path: Path) -> None:
    """By who may write into the folder too: for the names that were used once, and for the file itself."""
    folder, victim = tmp_path / "textfile", tmp_path / ".env"
    folder.mkdir()
    folder.chmod(0o777)
    victim.write_text("SEXTON_DATABASE=secret")
    victim.chmod(0o600)
    path = folder / "sexton.prom"
    planted = [path, *(folder / f".sexton.prom.{pid}" for pid in range(os.getpid() - 300, os.getpid() + 300))]
    for link in planted:
        link.symlink_to(victim)

    write_textfile(path, answered(database))

    assert victim.read_text() == "SEXTON_DATABASE=secret"
    assert victim.stat().st_mode & 0o777 == 0o600
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o644
    assert len(list(folder.iterdir())) == len(planted)


@pytest.mark.databases("sqlite")
def test_sec_11_a_group_may_read_the_textfile_and_nobody_else(database: str, tmp_path: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    write_textfile(tmp_path / "sexton.prom", answered(database), group)
    assert (tmp_path / "sexton.prom").stat().st_mode & 0o777 == 0o640


@pytest.mark.databases("sqlite")
def test_a_textfile_that_cannot_be_written_leaves_nothing(database: str, tmp_path: Path) -> None:
    path = tmp_path / "folder.prom"
    path.mkdir()

    with pytest.raises(OSError, match=r"folder\.prom"):
        write_textfile(path, answered(database))

    assert list(tmp_path.iterdir()) == [path]


def fill_calls(engine: Engine) -> None:
    """What calls came to, and what waits."""
    now = database_time(engine)
    own = own_tables(engine.dialect.name)
    also = {"done": 5, "again": 2, "down": 1, CANARY: 9}
    ended = now + timedelta(seconds=50)
    counts = {"check": {"picked": 8, "also": also}, f"{CANARY} 7": {"also": also}, "purge": {"also": {"items": 3}}}
    add_runs(engine, run_row("shop.a", "succeeded", ended, 0.0, counts=counts))
    add_runs(engine, run_row("shop.a", "succeeded", ended, 0.0, counts={"check": {"also": {"done": 1}}}))
    call = {"step": "check", "destination": CANARY, "attempts": 1, "first_at": now - timedelta(seconds=600)}
    delivery: dict[str, object] = dict.fromkeys(
        ("outbox", "message", "message_key", "event_type", "route", "destination"), CANARY
    )
    delivery |= {"recipient": CANARY, "created_at": now - timedelta(seconds=60), "channel": "email", "error": CANARY}
    with engine.begin() as connection:
        for number, (job, state, closed) in enumerate(
            [("shop.a", "waiting", None), ("shop.a", "gave_up", now), ("shop.a", "done", now), (CANARY, "failed", now)]
        ):
            row = {"job": job, "subject": str(number), "state": state, "closed_at": closed}
            connection.execute(insert(own.calls).values(call | row))
        for number, (state, closed) in enumerate([("waiting", None), ("claimed", None), ("failed", now)]):
            row = {"message": str(number), "state": state, "closed_at": closed}
            connection.execute(insert(own.deliveries).values(delivery | row))
        failed(connection, CANARY, "1", CANARY, now, kind=FailureKind.DOWN)
        went_well(connection, "gateway", "1", now)


def test_calls_are_counted_by_outcome_and_what_waits_by_age(database: str, engine: Engine) -> None:
    """And nothing of their rows, or of whoever is called, comes out (X9)."""
    fill_calls(engine)

    text, _ = exposition(answered(database))
    found = {name: value for name, value in samples(text).items() if re.match("sexton_(calls|deliver|destin)", name[0])}
    ages = {name: found.pop(name) for name in list(found) if "oldest" in name[0]}

    assert found == {
        ("sexton_calls_total", "shop.a", "done", "check"): 6,
        ("sexton_calls_total", "shop.a", "again", "check"): 2,
        ("sexton_calls_total", "shop.a", "down", "check"): 1,
        ("sexton_calls_waiting", "shop.a"): 1,
        ("sexton_calls_ended_badly", "shop.a"): 1,
        ("sexton_deliveries_waiting", "email"): 2,
        ("sexton_deliveries_dead", "email"): 1,
        ("sexton_destinations_unwell",): 1,
    }
    assert 600 <= ages["sexton_calls_oldest_seconds", "shop.a"] < 600 + PATIENCE
    assert 60 <= ages["sexton_deliveries_oldest_seconds", "email"] < 60 + PATIENCE
    assert CANARY not in text.decode()
