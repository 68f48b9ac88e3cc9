"""`app = "shop.tasks:app"`: a product's own application carries runs beside its own tasks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton.app import App
from sexton.engines.carrier import EngineMessage, MessageKind
from sexton.engines.celery import CeleryEngine
from sexton.engines.registry import engine_of
from sexton.engines.submitter import Submitter
from sexton.testing.processes import wait_until
from tests.support.celery_shop import app as own
from tests.support.patience import PATIENCE
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.worker import Yard, make_yard
from tests.support.workers import Start

from .programs import Programs
from .watched import children_of, process_of

pytestmark = pytest.mark.databases("sqlite")

SHOP = "tests.support.celery_shop"
PASSWORD = "hunter2hunter2"


class Shop:
    """The product, its settings, and its notes."""

    def __init__(self, yard: Yard, folder: Path, options: dict[str, Any], **variables: str) -> None:
        self.yard = yard
        self.notes = folder / "notes"
        self.file = Path(yard.config.partition("=")[2])
        lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
        text = self.file.read_text()
        self.file.write_text("\n".join(['engine = "celery"', text, "[engines.celery]", *lines]) + "\n")
        self.variables = {"SEXTON_CONFIG": str(self.file), "SHOP_NOTES": str(self.notes), **variables}

    def submit(self, *jobs: str) -> list[int]:
        """Ask for these, and hand them to Celery, as a scheduler does."""
        numbers = [self.yard.ask_for(job) for job in jobs]
        app = App.load(self.file, partly=True)
        engine = engine_of(app, "celery")
        said: list[str] = []
        Submitter(app, "celery", engine, list(app.registry), lambda event, **_: said.append(event)).submit()
        assert not said
        engine.close()
        app.database.dispose()
        return numbers


def send_note(broker: str, text: object) -> None:
    """A task of the product's own."""
    own.conf.broker_url = broker
    with own.connection_for_write() as connection:
        own.send_task("shop.note", (text,), connection=connection)


@pytest.fixture
def shop(engine: Engine, database: str, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`shop({"app": …}, SHOP_BROKER=url)`; this process has the variables as well."""

    def make(options: dict[str, Any], **variables: str) -> Shop:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yard = make_yard(engine, database, tmp_path, start, jobs="tests.support.celery_jobs")
        return Shop(yard, tmp_path, options, **variables)

    return make


def test_one_worker_does_its_own_tasks_and_our_runs(shop: Any, redis_url: str, celery: Programs) -> None:
    """`install(app)`, `-Q`, and nothing else: late acknowledgement, pickle and prefetching of the product stay its own.

    What Redis brings again after its visibility timeout, here a second, is done once.
    """
    made = shop({"app": f"{SHOP}:app"}, SHOP_BROKER=redis_url)
    queues = "celery,sexton.high,sexton"
    worker = celery("-A", SHOP, "worker", "-c", "2", "-Q", queues, "-l", "info", **made.variables)

    send_note(redis_url, {"any", "thing"})
    (number,) = made.submit("celery.where")

    run = made.yard.ended(number)
    assert run.state == "succeeded"
    assert process_of(run) in children_of(worker.pid)
    assert wait_until(lambda: made.notes.exists() and "thing" in made.notes.read_text(), PATIENCE)
    assert worker.end() == 0


def test_celery_a_sexton_engines_celery_is_the_products_application(
    shop: Any, redis_url: str, celery: Programs
) -> None:
    """Without -Q it takes from the product's queue and from ours."""
    made = shop({"app": f"{SHOP}:app", "queue": "bells"}, SHOP_BROKER=redis_url)
    worker = celery("-A", "sexton.engines.celery", "worker", "-P", "solo", **made.variables)

    send_note(redis_url, "hello")
    (number,) = made.submit("celery.where")

    assert made.yard.ended(number).state == "succeeded"
    assert wait_until(lambda: made.notes.exists() and "hello" in made.notes.read_text(), PATIENCE)
    assert worker.end() == 0


@pytest.mark.parametrize("variables", [{}, {"SHOP_NAMES_ALL_QUEUES": "1"}])
def test_what_an_application_says_of_all_its_tasks_is_not_for_ours(
    shop: Any, rabbitmq_url: str, celery: Programs, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Routes to other queues, a soft time limit, a rate, an expiry, the kind of queues that it makes, or makes not."""
    strict = "tests.support.celery_strict_shop"
    monkeypatch.delitem(sys.modules, strict, raising=False)  # it reads the variables
    made = shop({"app": f"{strict}:app"}, SHOP_BROKER=rabbitmq_url, **variables)
    worker = celery("-A", "sexton.engines.celery", "worker", "-c", "1", **made.variables)

    numbers = made.submit("celery.where", "celery.two_seconds")

    assert [made.yard.ended(number).state for number in numbers] == ["succeeded", "succeeded"]
    assert worker.end() == 0


def test_no_secret_is_in_what_a_worker_says(shop: Any, rabbitmq_server: RabbitMQServer, celery: Programs) -> None:
    """SEC: neither the broker's password nor that of the database, at the most talkative level."""
    url = rabbitmq_server.fresh()
    host = url.rpartition("/")[2]
    rabbitmq_server.control("add_user", f"me_{host}", PASSWORD)
    rabbitmq_server.control("set_permissions", "-p", host, f"me_{host}", ".*", ".*", ".*")
    made = shop({"broker": "env:THEIR_BROKER"}, THEIR_BROKER=url.replace("guest:guest", f"me_{host}:{PASSWORD}"))
    worker = celery("-A", "sexton.engines.celery", "worker", "-P", "solo", "-l", "debug", **made.variables)

    (number,) = made.submit("celery.where")

    assert made.yard.ended(number).state == "succeeded"
    rabbitmq_server.control("close_all_connections", "--vhost", host, "a test")
    worker.wait_for("Connection to broker lost")
    assert worker.end() == 0
    assert PASSWORD not in worker.output


def test_what_is_no_message_of_ours_is_left_alone(shop: Any, redis_url: str, celery: Programs) -> None:
    """SEC: whoever may write to the broker can send anything under our task's name, pickle too."""
    made = shop({"broker": redis_url})
    app = App.load(made.file, partly=True)
    engine = engine_of(app, "celery")
    assert isinstance(engine, CeleryEngine)
    sender = engine.celery
    other = EngineMessage(MessageKind.RUN, (1,), "f" * 16).to_json()
    for arguments in ((), ("{",), (1, 2), ({"v": 1},), (other,)):
        sender.send_task("sexton.consume", arguments, queue="sexton")
    sender.send_task("sexton.consume", ("text",), {"more": 1}, queue="sexton")
    sender.send_task("sexton.consume", ({"a", "set"},), queue="sexton", serializer="pickle")
    worker = celery("-A", "sexton.engines.celery", "worker", "-P", "solo", **made.variables)

    (number,) = made.submit("celery.where")

    assert made.yard.ended(number).state == "succeeded"
    assert worker.output.count('"message left alone"') == 6
    assert "ContentDisallowed" in worker.output
    assert worker.end() == 0
    engine.close()
    app.database.dispose()
    sender.pool.force_close_all()


def test_wrong_settings_end_the_command_in_one_line(shop: Any, celery: Programs) -> None:
    made = shop({"broker": "env:NOBODY_SET_THIS"})

    worker = celery("-A", "sexton.engines.celery", "worker", **made.variables)

    assert worker.wait() == 2
    assert "the variable NOBODY_SET_THIS is not set" in worker.output
    assert "Traceback" not in worker.output
