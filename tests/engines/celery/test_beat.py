"""`celery beat -S sexton.engines.celery:Beat`: our schedules, beside the product's own entries."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.slots.history import RunRecord
from sexton.testing.postgres import Server
from sexton.testing.processes import wait_until
from tests.support.children import command_line
from tests.support.database_checks import lease_row
from tests.support.patience import PATIENCE
from tests.support.worker import LONG, Yard, make_yard
from tests.support.workers import Start

from .programs import Program, Programs

SHOP = "tests.support.celery_shop"


class Beats:
    """Beats over one database and one broker."""

    def __init__(self, yard: Yard, celery: Programs, folder: Path, broker: str, *, own: bool = False) -> None:
        self.yard, self._celery = yard, celery
        self.notes = folder / "notes"
        file = Path(yard.config.partition("=")[2])
        option = {"app": f"{SHOP}:app"} if own else {"broker": broker}
        lines = [f"{name} = {json.dumps(value)}" for name, value in option.items()]
        file.write_text("\n".join(['engine = "celery"', file.read_text(), "[engines.celery]", *lines]) + "\n")
        self.variables = {"SEXTON_CONFIG": str(file), "SHOP_BROKER": broker, "SHOP_NOTES": str(self.notes)}

    def beat(self, name: str) -> Program:
        """One more."""
        words = ["-A", "sexton.engines.celery", "beat", "-S", "sexton.engines.celery:Beat", "-s", f"entries-{name}"]
        return self._celery(*words, "--pidfile=", "-l", "info", name=name, **self.variables)

    def worker(self) -> Program:
        """A worker for all queues."""
        return self._celery("-A", "sexton.engines.celery", "worker", "-P", "solo", name="worker", **self.variables)

    def ticks(self) -> list[RunRecord]:
        """Runs of the job that is due every second and have ended well."""
        return [run for run in self.yard.runs("carried.ticking") if run.state == "succeeded"]

    def later_ticks(self, more: int) -> None:
        """Wait until so many more have ended."""
        before = len(self.ticks())
        self.yard.wait_until(lambda: len(self.ticks()) >= before + more)

    def noted(self) -> int:
        """How often the product's own entry ran."""
        return len(self.notes.read_text().splitlines()) if self.notes.exists() else 0


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    return make_yard(engine, database, tmp_path, start, jobs="tests.support.carried_jobs")


@pytest.mark.databases("sqlite")
def test_two_beats_make_one_run_a_slot_and_one_takes_over(
    yard: Yard, redis_url: str, celery: Programs, tmp_path: Path
) -> None:
    """S1: the documented danger of Celery's own beat. The one that leads is killed; the other goes on."""
    beats = Beats(yard, celery, tmp_path, redis_url)
    both = [beats.beat("first"), beats.beat("second")]
    beats.worker()
    beats.later_ticks(4)
    leading = [beat for beat in both if '"leading"' in beat.output]
    assert len(leading) == 1

    leading[0].end(signal.SIGKILL)
    (other,) = [beat for beat in both if beat is not leading[0]]
    other.wait_for('"leading"')
    beats.later_ticks(3)

    slots = [run.slot for run in yard.runs("carried.ticking")]
    assert len(slots) == len(set(slots))
    assert other.end() == 0
    assert not list(tmp_path.glob("entries-*"))  # nothing to keep: no entries of its own


@pytest.mark.databases("sqlite")
def test_an_edit_is_seen_without_a_restart_and_the_lead_is_given_back(
    engine: Engine, database: str, start: Start, redis_url: str, celery: Programs, tmp_path: Path
) -> None:
    """A job that is due once a year, and from now on every second. SIGTERM: the next beat would lead at once."""
    yard = make_yard(engine, database, tmp_path, start, jobs="tests.support.celery_jobs", lease=LONG)
    beats = Beats(yard, celery, tmp_path, redis_url)
    beat = beats.beat("first")
    beat.wait_for('"leading"')

    edit = yard.start(command_line, "reschedule", yard.config, "celery.rare", "every 1s")
    assert edit.wait() == 0, edit.errors
    yard.wait_until(lambda: bool(yard.runs("celery.rare")))
    assert beat.end() == 0

    row = lease_row(yard.engine, "leader:celery")
    assert row is not None
    assert row[0] is None


@pytest.mark.databases("postgres15")
def test_no_error_of_the_database_ends_beat_and_the_products_entries_go_on(
    yard: Yard, server: Server, redis_url: str, celery: Programs, tmp_path: Path
) -> None:
    """Our schedules rest while the database is away; the product's own tasks are sent as ever."""
    beats = Beats(yard, celery, tmp_path, redis_url, own=True)
    beat, worker = beats.beat("first"), beats.worker()
    beats.later_ticks(2)

    yard.engine.dispose()
    server.shut_down()
    beat.wait_for('"database trouble"')
    noted = beats.noted()
    assert wait_until(lambda: beats.noted() >= noted + 3, PATIENCE)
    server.boot()
    beats.later_ticks(2)

    assert (beat.end(), worker.end()) == (0, 0)


@pytest.mark.databases("sqlite")
def test_wrong_settings_end_beat_in_one_line(yard: Yard, celery: Programs, tmp_path: Path) -> None:
    beats = Beats(yard, celery, tmp_path, "redis://127.0.0.1:1/0", own=True)
    file = Path(yard.config.partition("=")[2])
    file.write_text(file.read_text().replace(f"{SHOP}:app", f"{SHOP}:nothing"))

    beat = celery("-A", SHOP, "beat", "-S", "sexton.engines.celery:Beat", **beats.variables)

    assert beat.wait() == 2
    assert "nothing is no celery Celery" in beat.output
    assert "Traceback" not in beat.output
