"""`sexton doctor` about brokers: what loses messages, or brings them twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sexton.app import App
from sexton.engines.celery.findings import _of_rabbitmq
from sexton.engines.engine_findings import engine_findings
from tests.support.celery_shop import app as own
from tests.support.children import command_line
from tests.support.patience import PATIENCE
from tests.support.ports import closed_port
from tests.support.redis_server import RedisServer
from tests.support.workers import Start

SHOP = "tests.support.celery_shop:app"


def found(folder: Path, engine: str, timeout: str = "1m") -> dict[str, str]:
    """Level and text of what is said about the broker."""
    file = folder / "sexton.toml"
    lines = [f"database = 'sqlite:///{folder}/home.db'", 'engine = "celery"', 'jobs = ["tests.support.celery_jobs"]']
    changed = [f"""[job."{name}"]\ntimeout = '{timeout}'""" for name in ("celery.linger", "celery.second")]
    file.write_text("\n".join([*lines, "[engines.celery]", engine, *changed]) + "\n")
    app = App.load(file, create=True)
    try:
        return {finding.text: finding.level for finding in engine_findings(app)}
    finally:
        app.database.dispose()


def test_a_redis_that_keeps_everything_is_well(tmp_path: Path, redis_url: str) -> None:
    assert found(tmp_path, f"broker = {redis_url!r}") == {}


def test_a_redis_that_forgets_is_a_warning(tmp_path: Path, start_redis: Callable[..., RedisServer]) -> None:
    server = start_redis(appendonly="no", maxmemory_policy="allkeys-lru")

    levels = found(tmp_path, f"broker = {server.url!r}", timeout="2h")

    words = {"appendonly": "warning", "allkeys-lru": "warning", "brought again": "note"}
    assert sorted(levels.values()) == sorted(words.values())
    assert {word: level for word in words for text, level in levels.items() if word in text} == words


@pytest.mark.parametrize(("timeout", "warned"), [("24m", False), ("25m", True)])
def test_rabbitmq_closes_channels_after_half_an_hour(
    timeout: str, warned: bool, tmp_path: Path, rabbitmq_url: str
) -> None:
    levels = found(tmp_path, f"broker = {rabbitmq_url!r}", timeout=timeout)

    assert list(levels.values()) == ["warning"] * warned
    assert all("1800000" in text for text in levels)


@pytest.mark.parametrize("version", ["3.10.8", "3.12.0", "4.3.1"])
def test_the_remedy_is_one_that_this_rabbitmq_takes(version: str) -> None:
    """A policy from 3.12 on."""
    server = SimpleNamespace(connection=SimpleNamespace(server_properties={"version": version}))

    (finding,) = _of_rabbitmq(server, 1500.0, ("sexton.high", "sexton"))

    policy = """rabbitmqctl set_policy sexton '^(sexton\\.high|sexton)$' '{"consumer-timeout": 1800000}'"""
    assert (policy in finding.text, "rabbitmq.conf" in finding.text) == (version[:4] != "3.10", version[:4] == "3.10")


def test_an_application_that_accepts_pickle_is_a_warning(tmp_path: Path, redis_url: str) -> None:
    """SEC: whoever may write to the broker can run code in its workers."""
    own.conf.broker_url = redis_url

    levels = found(tmp_path, f"app = {SHOP!r}")

    assert [level for text, level in levels.items() if text.startswith(f"{SHOP} accepts pickle")] == ["warning"]
    assert [level for text, level in levels.items() if "brought again" in text] == ["note"]  # after 1 s, in this shop


def test_a_broker_that_is_away_is_wrong_and_doctor_ends_with_1(tmp_path: Path, start: Start) -> None:
    with closed_port() as port:
        ((text, level),) = found(tmp_path, f"broker = 'redis://127.0.0.1:{port}/0'").items()
        assert start(command_line, "migrate", f"--config={tmp_path / 'sexton.toml'}").wait() == 0
        doctor = start(command_line, "doctor", f"--config={tmp_path / 'sexton.toml'}")

        assert (level, f"celery: the broker at 127.0.0.1:{port}" in text) == ("wrong", True)
        assert doctor.wait(PATIENCE) == 1
        assert "celery: the broker at" in " ".join(doctor.output.split())
