"""BJ-24.1: the zone of this machine's cron, as the system's files tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sexton.engines.crontab.server_zone import server_zone


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc"


def test_a_link_into_the_zones_tells(etc: Path, tmp_path: Path) -> None:
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    (etc / "timezone").write_text("Asia/Kolkata\n")
    assert server_zone(tmp_path) == "Europe/Berlin"


def test_else_the_name_in_a_file(etc: Path, tmp_path: Path) -> None:
    (etc / "localtime").write_bytes(b"TZif2")
    (etc / "timezone").write_text("Asia/Kolkata\n")
    assert server_zone(tmp_path) == "Asia/Kolkata"


def test_a_machine_without_either_keeps_utc(tmp_path: Path) -> None:
    assert server_zone(tmp_path) == "UTC"


def test_what_tells_nothing_is_not_guessed(etc: Path, tmp_path: Path) -> None:
    (etc / "localtime").write_bytes(b"TZif2")
    assert server_zone(tmp_path) is None
    (etc / "timezone").write_text("Local time\n")
    assert server_zone(tmp_path) is None
    (etc / "localtime").unlink()
    (etc / "localtime").symlink_to("/opt/own/zone")
    assert server_zone(tmp_path) is None
