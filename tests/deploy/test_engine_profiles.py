"""Each engine has a profile in deploy/compose.yaml: a scheduler, a worker and the broker that both are told of."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from sexton.app import ENGINES
from sexton.config import load
from tests.support.private_server import ask
from tests.support.redis_server import RedisServer

from .files import DEPLOY, documents

BROKERS = {"celery-redis": "redis", "celery-rabbitmq": "rabbitmq", "rq": "redis", "procrastinate": None}
"""Profile -> its broker; Procrastinate keeps its messages in the database."""

of_each_profile = pytest.mark.parametrize("profile", list(BROKERS))


@pytest.fixture(scope="module")
def compose() -> Any:
    """The file."""
    return documents("compose.yaml")[0]


def of_profile(compose: Any, profile: str) -> dict[str, Any]:
    return {name: one for name, one in compose["services"].items() if profile in one.get("profiles", ())}


def settings_of(compose: Any, service: Any) -> Any:
    """What a service of the file reads: the settings file that is laid into it, and variables without a secret."""
    (source,) = [one["source"] for one in service.get("configs", ())] or [None]
    file = DEPLOY / compose["configs"][source]["file"] if source else None
    assert all(one["target"] == "/app/sexton.toml" for one in service.get("configs", ()))
    engine = service["environment"].get("SEXTON_ENGINE")
    return load(file, environ={"SEXTON_ENGINE": engine} if engine else {}, folder=DEPLOY)


def test_every_engine_but_our_own_worker_has_a_profile(compose: Any) -> None:
    named = {profile for service in compose["services"].values() for profile in service.get("profiles", ())}
    assert named == set(BROKERS)
    assert {profile.partition("-")[0] for profile in named} == set(ENGINES) - {"worker", "pg_cron"}


@of_each_profile
def test_a_profile_is_a_scheduler_a_worker_and_a_broker(compose: Any, profile: str) -> None:
    engine, broker = profile.partition("-")[0], BROKERS[profile]
    services = of_profile(compose, profile)
    scheduler, worker = services.pop(f"{profile}-scheduler"), services.pop(f"{profile}-worker")

    assert set(services) == ({broker} if broker else {f"{profile}-migrate"})
    assert scheduler["command"] == ["sexton", "scheduler"]
    assert worker["command"] == ["sexton", "worker", "--engine", engine]
    assert settings_of(compose, scheduler).engine == settings_of(compose, worker).engine == engine
    assert scheduler["environment"] == worker["environment"]
    assert f"{profile}-scheduler" in scheduler["environment"]["SEXTON_WEB__HOSTS"].split(",")
    assert scheduler["depends_on"] == worker["depends_on"]
    assert set(scheduler["depends_on"]) == ({broker, "migrate"} if broker else {f"{profile}-migrate"})
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in (scheduler, worker))


@of_each_profile
def test_what_the_settings_take_from_the_environment_is_there(compose: Any, profile: str) -> None:
    """And it names the broker, with the password that this is started with."""
    service = compose["services"][f"{profile}-worker"]
    options = settings_of(compose, service).engines
    asked = re.findall(r"env:(\w+)", str(options))
    assert len(asked) == (1 if BROKERS[profile] else 0)
    for name in asked:
        url = service["environment"][name]
        assert f"@{BROKERS[profile]}:" in url
        assert "${BROKER_PASSWORD:-${POSTGRES_PASSWORD}}" in url


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_broker_keeps_its_messages_and_is_nobody_elses(compose: Any, broker: str) -> None:
    service = compose["services"][broker]
    (volume,) = service["volumes"]
    assert volume.partition(":")[0] in compose["volumes"]
    assert "ports" not in service
    assert service["healthcheck"]["test"]
    assert "${BROKER_PASSWORD:-${POSTGRES_PASSWORD}}" in service["environment"].values()


def test_redis_appends_what_it_takes_evicts_nothing_and_asks_for_a_password(compose: Any) -> None:
    command = " ".join(compose["services"]["redis"]["command"])
    for option in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass"):
        assert option in command


class ComposedRedis(RedisServer):
    """A Redis by the very command of the file, on a port of ours."""

    command: list[str]

    def _command(self) -> list[str]:
        *shell, line = (word.replace("$$", "$") for word in self.command)
        return [*shell, f"{line} --bind 127.0.0.1 --port {self.port} --dir {self.data}"]

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "REDISCLI_AUTH": "letters1and2digits"}

    def _answers(self) -> bool:
        return ask(self.port, b"PING\r\n").startswith(b"-NOAUTH")


def test_redis_starts_by_that_command_and_is_healthy_by_that_check(compose: Any, tmp_path: Path) -> None:
    service = compose["services"]["redis"]
    server = ComposedRedis(tmp_path)
    server.command = service["command"]
    with server, Redis(port=server.port, password="letters1and2digits") as client:
        client.set("parcels", "kept")
        server.restart(crash=True)
        assert client.get("parcels") == b"kept"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

        kind, check = service["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        here = check.replace("redis-cli", f"redis-cli -p {server.port}")
        for password, code in (("letters1and2digits", 0), ("another", 1)):
            environment = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": password}
            done = subprocess.run(["/bin/sh", "-c", here], env=environment, check=False, capture_output=True)
            assert done.returncode == code


def test_rabbitmq_finds_its_data_again(compose: Any) -> None:
    """They lie under the name of the host, which changes with each container unless it is given."""
    assert compose["services"]["rabbitmq"]["hostname"]
