"""The private RabbitMQ: keeps its data when killed, loses it when wiped, and leaves no port mapper behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import amqp
import pytest

from sexton.testing.processes import wait_until
from tests.support.leaks import runs
from tests.support.patience import PATIENCE
from tests.support.private_server import listening, listens
from tests.support.rabbitmq_server import RabbitMQServer

pytestmark = pytest.mark.slow

Start = Callable[..., RabbitMQServer]

CHILD = """
import sys
from pathlib import Path
from tests.support.rabbitmq_server import RabbitMQServer

server = RabbitMQServer(Path(sys.argv[1]))
server.boot()
print(server.pid, *server.ports.values(), flush=True)
sys.stdin.read()
"""


def connect(url: str) -> amqp.Connection:
    """A connection whose publisher hears when a message is on disk."""
    parts = urlsplit(url)
    name = parts.path.removeprefix("/").replace("%2F", "/")
    connection = amqp.Connection(host=f"127.0.0.1:{parts.port}", virtual_host=name, confirm_publish=True)
    connection.connect()
    return connection


def put(url: str, value: str) -> None:
    with connect(url) as connection, connection.channel() as channel:
        channel.queue_declare("parcels", durable=True, auto_delete=False)
        channel.basic_publish(amqp.Message(value, delivery_mode=2), routing_key="parcels")


def held(url: str) -> list[str]:
    """Takes them, too."""
    with connect(url) as connection, connection.channel() as channel:
        channel.queue_declare("parcels", durable=True, auto_delete=False)
        return [message.body for message in iter(lambda: channel.basic_get("parcels", no_ack=True), None)]


def test_each_test_has_a_virtual_host_of_its_own(rabbitmq_server: RabbitMQServer, rabbitmq_url: str) -> None:
    put(rabbitmq_url, "one")

    other = rabbitmq_server.fresh()

    assert other != rabbitmq_url
    assert held(other) == []
    assert held(rabbitmq_url) == ["one"]


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_what_it_has_taken_outlives_the_server_but_not_a_wipe(start_rabbitmq: Start, crash: bool) -> None:
    server = start_rabbitmq()
    url = server.fresh()
    put(url, "one")
    server.control("eval", "mnesia:sync_log().")  # the message is on disk, and that there is a queue is written later

    server.shut_down(crash=crash)
    assert server.pid is None
    with pytest.raises(ConnectionRefusedError):
        connect(url)
    server.boot()
    put(url, "two")
    assert held(url) == ["one", "two"]

    put(server.url, "three")
    server.restart(crash=crash, wiped=True)
    assert held(server.url) == []
    with pytest.raises(amqp.NotAllowed):
        connect(url)


def test_settings_are_taken_and_only_this_machine_is_listened_to(start_rabbitmq: Start) -> None:
    server = start_rabbitmq(consumer_timeout="61000", log__console__level="warning")

    assert "61000" in server.control("eval", "application:get_env(rabbit, consumer_timeout).")
    places = listening(server.ports.values())
    assert {port for _, port in places} == set(server.ports.values())
    assert {address for address, _ in places} <= {"127.0.0.1", "::1"}


def test_what_does_not_start_says_why(start_rabbitmq: Start) -> None:
    with pytest.raises(RuntimeError, match=r"rabbitmq did not start: .*failed_to_prepare_configuration"):
        start_rabbitmq(consumer_timeout="many")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with RabbitMQServer(tmp_path) as server:
        process = server.pid
        assert process is not None
        assert all(map(listens, server.ports.values()))

    assert not runs(process)
    assert not any(map(listens, server.ports.values()))
    assert list(tmp_path.iterdir()) == []


def test_it_ends_with_a_process_that_is_killed(rabbitmq_server: RabbitMQServer, tmp_path: Path) -> None:
    """`rabbitmq_server` is asked for so that a machine without RabbitMQ is told of in one way."""
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        process, *ports = map(int, child.stdout.readline().split())
        assert all(map(listens, ports))
        child.send_signal(signal.SIGKILL)

    assert wait_until(lambda: not runs(process) and not any(map(listens, ports)), PATIENCE)
    assert wait_until(lambda: list(tmp_path.iterdir()) == [], PATIENCE)
