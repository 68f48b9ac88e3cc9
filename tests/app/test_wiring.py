"""Settings, packs and a product's jobs become one registry; nothing is connected before it is needed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import sexton
from sexton import Job, PolicyError
from sexton.app import PACKS, App
from sexton.config import JobSettings, RunSettings, Settings
from sexton.errors import SettingsError

OWN = """
from sexton import Job, cron

def work(run):
    return None

nightly = Job("shop.nightly", schedule=cron("30 2 * * *", tz="Asia/Jerusalem"), work=work, timeout="1m")
by_hand = Job("shop.by_hand", work=work, priority=3)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of jobs; the search path is put back afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_jobs.py").write_text(OWN)
    return tmp_path


def app(folder: Path, **settings: object) -> App:
    return App(Settings(**{"jobs": ("own_jobs.py",), **settings}), folder=folder)  # type: ignore[arg-type]


def test_jobs_come_from_packs_files_and_housekeeping(folder: Path) -> None:
    names = app(folder, packs=("marketplace",)).registry.names()

    assert names[0] == "shop.by_hand"
    assert names[-1] == "sexton.housekeeping"
    assert {"shop.nightly", "marketplace.expire_orders"} < set(names)


def test_a_setting_changes_a_job_and_leaves_the_rest_of_it(folder: Path) -> None:
    changed = JobSettings(schedule="15 3 * * *", timeout="9m", priority=5)

    job = app(folder, job={"shop.nightly": changed}).registry.get("shop.nightly")

    assert job.schedule is not None
    assert (job.schedule.text, job.schedule.zone) == ("15 3 * * *", "Asia/Jerusalem")
    assert (job.timeout, job.priority) == ("9m", 5)


def test_a_zone_alone_moves_the_schedule_there(folder: Path) -> None:
    job = app(folder, job={"shop.nightly": JobSettings(timezone="Europe/Berlin")}).registry.get("shop.nightly")

    assert job.schedule is not None
    assert (job.schedule.text, job.schedule.zone) == ("30 2 * * *", "Europe/Berlin")


def test_a_disabled_job_is_never_due_but_still_there(folder: Path) -> None:
    job = app(folder, job={"shop.nightly": JobSettings(enabled=False)}).registry.get("shop.nightly")

    assert job.schedule is None


def test_a_schedule_given_to_a_job_without_one_is_in_the_zone_of_the_settings(folder: Path) -> None:
    changed = {"shop.by_hand": JobSettings(schedule="0 1 * * *")}
    job = app(folder, job=changed, timezone="Europe/Berlin").registry.get("shop.by_hand")

    assert job.schedule is not None
    assert job.schedule.zone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"packs": ("marketplaces",)}, SettingsError, "did you mean marketplace"),
        ({"pack": {"marketplace": {}}}, SettingsError, "not enabled"),
        ({"job": {"shop.nigthly": JobSettings()}}, SettingsError, "shop.nightly"),
        ({"job": {"shop.by_hand": JobSettings(timezone="UTC")}}, SettingsError, "no schedule"),
        ({"jobs": ("nowhere.py",)}, SettingsError, "no file nowhere.py"),
        ({"jobs": ("no_such_module_anywhere",)}, SettingsError, "no_such_module_anywhere"),
        ({"jobs": ("sexton.errors",)}, PolicyError, "defines no job"),
        ({"jobs": ("own_jobs.py", "own_jobs.py")}, PolicyError, "two jobs"),
        ({"packs": ("marketplace",), "pack": {"marketplace": {"nudge": "1d"}}}, SettingsError, "nudge"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    folder: Path, settings: dict[str, object], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told) as refused:
        app(folder, **settings)

    assert str(refused.value).isprintable()


def test_every_pack_that_ships_can_be_enabled(folder: Path) -> None:
    for name in PACKS:
        names = app(folder, packs=(name,)).registry.names()
        assert any(job.startswith(f"{name}.") for job in names)


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("sqlite:///shop.db", "sqlite"),
        ("sqlite+pysqlite:///shop.db", "sqlite"),
        ("postgresql://h/db", "postgresql"),
        ("postgres://h/db", "postgresql"),
        ("postgresql+psycopg://h/db", "postgresql"),
    ],
)
def test_the_dialect_is_known_from_the_address_alone(folder: Path, url: str, dialect: str) -> None:
    assert app(folder, database=url).dialect == dialect


def test_limits_are_the_settings_in_seconds(folder: Path) -> None:
    run = RunSettings(lease="20s", renew="2s", batch_time="50ms", batch_rows=7, lock_wait="1s", statement_timeout="4s")

    limits = app(folder, run=run).limits(row_limit=9)

    assert (limits.lease, limits.renew, limits.batch, limits.rows) == (20.0, 2.0, 0.05, 7)
    assert (limits.lock_wait, limits.statement, limits.row_limit) == (1.0, 4.0, 9)


def test_an_address_given_by_hand_wins_over_the_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "sexton.toml").write_text('database = "sqlite:///one.db"\n')

    assert App.load().settings.database == "sqlite:///one.db"
    assert App.load(database="sqlite:///two.db").settings.database == "sqlite:///two.db"
    assert not list(folder.glob("*.db"))


def test_files_of_jobs_are_looked_for_beside_the_settings(folder: Path) -> None:
    (folder / "sexton.toml").write_text('jobs = ["own_jobs.py"]\n')

    assert isinstance(App.load(folder / "sexton.toml").registry.get("shop.nightly"), Job)


def test_the_face_offers_every_name_it_lists_and_no_other() -> None:
    for name in sexton.__all__:
        assert getattr(sexton, name) is not None
    assert dir(sexton) == sorted(sexton.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = sexton.nonsense
