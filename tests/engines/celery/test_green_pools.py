"""The pool `gevent`: its library may be missing, and its tasks have no process of their own."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from celery.worker import state

from sexton.engines import consumer
from sexton.engines.celery import pool_processes, worker_process
from sexton.engines.celery.options import CELERY_TASK
from sexton.errors import SettingsError


def test_without_its_library_a_worker_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(words: list[str]) -> None:
        raise ModuleNotFoundError("No module named 'gevent'", name="gevent.monkey")

    monkeypatch.setattr("celery.maybe_patch_concurrency", missing)

    with pytest.raises(SettingsError, match="pool: gevent is not installed; run: pip install gevent"):
        worker_process.main(["worker", "--pool", "gevent"])


def test_a_handler_of_signals_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In gevent's hub that cannot be; elsewhere the handler may have interrupted whoever it would wait for."""
    begun: list[object] = []
    monkeypatch.setattr("threading.Thread.start", lambda _: pytest.fail("it waits for its begin"))
    monkeypatch.setattr("_thread.start_new_thread", lambda function, given: begun.append((function, given)))

    pool_processes._pass_on()

    assert begun == [(pool_processes._tell_runs, (os.getpid(),))]


def test_the_number_of_a_greenlet_is_no_process_to_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a worker that ends are told all the same: they are in executors."""

    def kill(number: int, _: int) -> None:
        raise AssertionError(number)

    monkeypatch.setattr("kombu.utils.compat.detect_environment", lambda: "gevent")
    monkeypatch.setattr(os, "kill", kill)
    request = SimpleNamespace(id="1", name=CELERY_TASK, worker_pid=4_711_000)
    monkeypatch.setattr(state, "active_requests", [request])
    consumer.begin_anew()

    pool_processes._tell_runs(os.getpid())

    assert consumer.stop().asked
    consumer.begin_anew()
