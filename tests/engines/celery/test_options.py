"""`[engines.celery]`: what is refused, and that the broker's password is nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sexton.app import App
from sexton.config import dotted, read_at
from sexton.engines.celery import CeleryEngine
from sexton.engines.celery.application import application_of
from sexton.engines.celery.options import CeleryOptions
from sexton.engines.registry import engine_of
from sexton.errors import SettingsError

PASSWORD = "hunter2hunter2"


def options(**given: Any) -> CeleryOptions:
    return read_at(CeleryOptions, given, ("engines", "celery"), dotted)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"queue": "bells"}, "engines.celery.app: name your Celery application"),
        ({"app": "shop.tasks:app", "broker": "redis://"}, "and not both"),
        ({"app": "shop.tasks"}, "'shop.tasks' is no module and name"),
        ({"broker": "shop"}, "engines.celery.broker: an address of redis, rediss, amqp, amqps"),
        ({"broker": f"sqs://me:{PASSWORD}@host"}, "not 'sqs://me:***@host'"),
        ({"broker": f"redis://:12/{PASSWORD}@host/0"}, "'redis://:***@host/0': its port, or the number"),
        ({"broker": f"redis://:{PASSWORD}/x@host/0"}, "write / ? # @ of a password as %2F %3F %23 %40"),
        ({"broker": f"amqp://me:12#{PASSWORD}@host//"}, "cannot be read"),
        ({"broker": "redis://host:99999/0"}, "'redis://host:99999/0': its port"),
        ({"broker": "redis://host/first"}, "the number of its database, cannot be read"),
        ({"broker": "redis://h", "queue": "a", "high_queue": "a"}, "two different names"),
        ({"broker": "redis://h", "pool": "eventlet"}, "one of prefork, threads, solo, gevent"),
        ({"broker": "redis://h", "stop_limit": "soon"}, "engines.celery.stop_limit"),
        ({"broker": "redis://h", "brocker": "x"}, "engines.celery.brocker"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        options(**given)

    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "broker",
    [
        "redis://",
        "redis://:p%2Fw@[::1]:6379",
        "rediss://me:p;w@host:6379/15?ssl_ca_certs=/a@b.pem",
        "amqp://me:pw@host//",
        "amqps://host/shop",
        "redis://one/0;redis://:pw@two/0",
    ],
)
def test_what_can_be_a_broker_is_taken(broker: str) -> None:
    assert options(broker=broker).broker_address() == broker


def test_a_broker_is_named_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(broker="env:SHOP_BROKER")

    with pytest.raises(SettingsError, match="the variable SHOP_BROKER is not set"):
        given.broker_address()
    monkeypatch.setenv("SHOP_BROKER", f"kafka://me:{PASSWORD}@host")
    with pytest.raises(SettingsError, match="SHOP_BROKER: an address of redis") as caught:
        given.broker_address()
    assert PASSWORD not in str(caught.value)
    monkeypatch.setenv("SHOP_BROKER", f"amqp://me:{PASSWORD}@host//")
    assert given.broker_address() == f"amqp://me:{PASSWORD}@host//"


def test_the_password_is_not_shown() -> None:
    given = options(broker=f"redis://:{PASSWORD}@host:6379/0")

    assert PASSWORD not in repr(given)
    assert PASSWORD not in application_of(given, Path()).connection_for_write().as_uri()


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("shop_without:app", "engines.celery.app: shop_without:app cannot be imported"),
        ("sexton.errors:SextonError", "sexton.errors:SextonError is no celery Celery"),
        ("sexton.errors:nothing", "sexton.errors:nothing is no celery Celery"),
    ],
)
def test_an_application_that_is_none_is_refused_in_one_line(named: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        application_of(options(app=named), Path())


@pytest.mark.parametrize("scheme", ["redis", "rediss", "amqp", "amqps"])
def test_a_plain_application_keeps_nothing_that_the_rows_decide(scheme: str) -> None:
    made = application_of(options(broker=f"{scheme}://host/1", stop_limit="30s"), Path())

    assert made.conf.accept_content == ["json"]
    assert made.conf.result_backend is None
    assert (made.conf.worker_prefetch_multiplier, made.conf.worker_soft_shutdown_timeout) == (1, 30.0)
    assert set(made.amqp.queues) == {"sexton", "sexton.high"}
    task = made.tasks["sexton.consume"]
    assert (task.acks_late, task.ignore_result, task.max_retries, task.serializer) == (False, True, 0, "json")


@pytest.mark.parametrize(
    ("address", "checks"),
    [
        ("rediss://host/0", {"ssl_cert_reqs": 2, "ssl_ca_certs": "/ca.pem"}),
        ("amqps://host//", {"cert_reqs": 2, "ca_certs": "/ca.pem", "server_hostname": "host"}),
        ("redis://host/0", None),
    ],
)
def test_certificates_are_checked(address: str, checks: dict[str, Any] | None) -> None:
    """SEC: neither library checks them by itself."""
    assert application_of(options(broker=address, broker_ca="/ca.pem"), Path()).conf.broker_use_ssl == checks


def test_the_engine_is_found_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "sexton.toml"
    file.write_text('engine = "celery"\n[engines.celery]\nbroker = "redis://host/0"\nqueue = "bells"\n')
    app = App.load(file)

    engine = engine_of(app, "celery")
    assert isinstance(engine, CeleryEngine)
    assert engine.options.queues == ("sexton.high", "bells")
    file.write_text('engine = "celery"\n')
    with pytest.raises(SettingsError, match="name your Celery application"):
        engine_of(App.load(file), "celery")
    app.database.dispose()
