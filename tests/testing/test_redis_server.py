"""The private Redis: keeps its data when killed, loses it when wiped, speaks TLS, and is gone with its owner."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import ConnectionError as Unreachable
from redis import Redis

from sexton.testing.processes import free_port, wait_until
from tests.support.leaks import runs
from tests.support.patience import PATIENCE
from tests.support.private_server import listening, listens
from tests.support.redis_server import RedisServer

Start = Callable[..., RedisServer]

CHILD = """
import sys
from pathlib import Path
from tests.support.redis_server import RedisServer

server = RedisServer(Path(sys.argv[1]))
server.boot()
print(server.pid, server.port, flush=True)
sys.stdin.read()
"""


def put(url: str, value: str) -> None:
    with Redis.from_url(url) as client:
        client.rpush("parcels", value)


def held(url: str) -> list[bytes]:
    with Redis.from_url(url) as client:
        found = client.lrange("parcels", 0, -1)
    assert isinstance(found, list)
    return found


def test_each_test_has_a_database_of_its_own(redis_server: RedisServer, redis_url: str) -> None:
    assert held(redis_url) == []
    put(redis_url, "one")

    other = redis_server.fresh()

    assert other != redis_url
    assert held(other) == []
    assert held(redis_url) == [b"one"]


def test_a_database_that_is_given_again_is_empty(redis_server: RedisServer, redis_url: str) -> None:
    put(redis_url, "one")
    while redis_server.fresh() != redis_url:
        pass
    assert held(redis_url) == []


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_what_it_has_taken_outlives_the_server(start_redis: Start, crash: bool) -> None:
    server = start_redis()
    put(server.url, "one")

    server.shut_down(crash=crash)
    assert server.pid is None
    with pytest.raises(Unreachable):
        put(server.url, "lost")
    server.boot()
    put(server.url, "two")

    assert held(server.url) == [b"one", b"two"]


def test_nothing_outlives_a_wipe(start_redis: Start) -> None:
    server = start_redis()
    url = server.url
    put(url, "one")

    server.restart(crash=True, wiped=True)

    assert server.url == url
    assert held(url) == []


def test_settings_are_taken_and_nothing_is_evicted(start_redis: Start) -> None:
    with Redis.from_url(start_redis(maxmemory="64mb", maxclients="17").url) as client:
        found = client.config_get("max*")
    assert isinstance(found, dict)
    assert found["maxmemory"] == str(64 * 1024**2)
    assert found["maxclients"] == "17"
    assert found["maxmemory-policy"] == "noeviction"


def test_tls_with_a_certificate_that_the_url_names(start_redis: Start) -> None:
    server = start_redis(tls=True)
    assert {address for address, _ in listening(server.ports.values())} == {"127.0.0.1"}
    put(server.tls_url, "one")
    assert held(server.url) == [b"one"]
    with Redis.from_url(server.tls_url.partition("?")[0]) as stranger, pytest.raises(Unreachable, match="certificate"):
        stranger.ping()


def test_what_does_not_start_says_why(start_redis: Start) -> None:
    with pytest.raises(RuntimeError, match=r"redis did not start: .*maxclients"):
        start_redis(maxclients="many")


def test_a_port_that_somebody_took_meanwhile_is_left_to_him(
    start_redis: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start_redis()
    offered = iter([first.port, free_port(), free_port(), free_port()])
    monkeypatch.setattr("tests.support.private_server.free_port", lambda: next(offered))

    second = start_redis()
    put(first.url, "one")

    assert second.port != first.port
    assert held(second.url) == []


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        process, port = server.pid, server.port
        assert process is not None
        assert list(tmp_path.iterdir()) == [server.folder]

    assert not runs(process)
    assert not listens(port)
    assert list(tmp_path.iterdir()) == []
    server.stop()


def test_it_ends_with_a_process_that_is_killed(redis_server: RedisServer, tmp_path: Path) -> None:
    """`redis_server` is asked for so that a machine without Redis is told of in one way."""
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        process, port = map(int, child.stdout.readline().split())
        assert listens(port)
        child.send_signal(signal.SIGKILL)

    assert wait_until(lambda: not runs(process) and list(tmp_path.iterdir()) == [], PATIENCE)
