"""BJ-28.1: `stagger` and `installation` in the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from sexton.app import App
from sexton.config import JobSettings, Settings
from sexton.config.fingerprint import installation
from sexton.errors import SettingsError

JOBS = """
from sexton import Job, cron, every

hourly = Job("shop.hourly", schedule=every("1h"), work=print)
daily = Job("shop.daily", schedule=cron("0 4 * * *"), work=print)
by_hand = Job("shop.by_hand", work=print)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with jobs."""
    (tmp_path / "own.py").write_text(JOBS)
    return tmp_path


def schedules(folder: Path, **settings: object) -> dict[str, str]:
    """The text of every schedule of ours."""
    app = App(Settings(jobs=("own.py",), **settings), folder=folder)  # type: ignore[arg-type]
    return {job.name: job.schedule.text for job in app.registry if job.schedule and job.name.startswith("shop")}


def test_without_it_every_slot_stays_where_it_is(folder: Path) -> None:
    assert schedules(folder) == {"shop.hourly": "every 1h", "shop.daily": "0 4 * * *"}


def test_bj_28_1_even_intervals_get_an_offset_and_fixed_times_stay(folder: Path) -> None:
    moved = schedules(folder, stagger=True, installation="shop one")
    assert moved["shop.hourly"].startswith("every 1h offset ")
    assert moved["shop.daily"] == "0 4 * * *"
    assert moved == schedules(folder, stagger=True, installation="shop one")
    assert moved != schedules(folder, stagger=True, installation="shop two")


def test_a_single_job_says_otherwise(folder: Path) -> None:
    off = {"shop.hourly": JobSettings(stagger=False)}
    on = {"shop.hourly": JobSettings(stagger=True)}
    assert schedules(folder, stagger=True, job=off)["shop.hourly"] == "every 1h"
    assert "offset" in schedules(folder, job=on)["shop.hourly"]


def test_an_offset_that_is_written_wins(folder: Path) -> None:
    written = {"shop.hourly": JobSettings(schedule="every 2h offset 7m")}
    assert schedules(folder, stagger=True, job=written)["shop.hourly"] == "every 2h offset 7m"


def test_what_cannot_be_staggered_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r'job\."shop\.daily"\.stagger: only a schedule such as "every 1h"'):
        schedules(folder, job={"shop.daily": JobSettings(stagger=True)})
    rests = JobSettings(stagger=True, enabled=False)
    assert "shop.daily" not in schedules(folder, job={"shop.daily": rests}), "a job that rests is no error"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://u:old@db:5432/shop", "postgresql+psycopg://v:new@db:5432/shop", True),
        ("postgresql://db/shop?sslmode=require", "postgresql://db/shop", True),
        ("postgresql:///shop?host=/run/one", "postgresql:///shop?host=/run/two", False),
        ("postgresql://db/one", "postgresql://db/two", False),
        ("sqlite:///one.db", "sqlite:///two.db", False),
    ],
)
def test_an_installation_is_known_by_the_place_of_its_database(one: str, other: str, same: bool) -> None:
    first, second = installation(Settings(database=one)), installation(Settings(database=other))
    assert (first == second) is same
    assert not any(secret in first + second for secret in ("old", "new", "@"))


def test_a_name_of_its_own_wins() -> None:
    assert installation(Settings(database="sqlite:///one.db", installation="shop")) == "shop"
