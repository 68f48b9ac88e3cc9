"""The application of Celery: the product's own, or one that only carries runs."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu import Exchange, Queue

from ...jobs.duration import parse_duration
from ..product_app import product_app
from .options import CeleryOptions
from .tasks import install

BROKER_ANSWER_SECONDS = 5.0
"""Seconds in which a broker has to connect, and to answer."""

STARTING_SECONDS = 60.0
"""Seconds that a pool process may need until it is ready; it may import all jobs."""


def application_of(options: CeleryOptions, folder: Path) -> Celery:
    """The application, with our task in it. SettingsError when it cannot be had; nothing is connected.

    folder: of the settings file.
    """
    own = bool(options.app)
    found: Celery = product_app("engines.celery.app", options.app, Celery, folder) if own else _plain(options)
    install(found)
    return found


def queue_of(name: str) -> Queue:
    """As Celery itself would declare a queue of this name, so that both agree."""
    return Queue(name, Exchange(name), routing_key=name)


def queue_in(celery: Celery, name: str) -> Queue:
    """A queue as this application declares it, by its own settings: of another kind than ours the broker refuses it."""
    try:
        return celery.amqp.queues[name]
    except KeyError:  # the application makes no queues but those that it names
        return queue_of(name)


def _plain(options: CeleryOptions) -> Celery:
    """One of our own, in which everything is off that the rows decide: results, retries, prefetching, events."""
    address = options.broker_address()
    found = Celery("sexton", broker=address, set_as_current=False)
    found.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=options.queue,
        task_queues=[queue_of(name) for name in options.queues],
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=urlsplit(address).scheme.startswith("redis"),
        worker_redirect_stdouts=False,
        worker_soft_shutdown_timeout=parse_duration(options.stop_limit).total_seconds(),
        worker_proc_alive_timeout=STARTING_SECONDS,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options=_transport_options(address),
        broker_use_ssl=_tls(address, options.broker_ca),
        beat_max_loop_interval=1,
        timezone="UTC",
    )
    return found


def _transport_options(address: str) -> dict[str, Any]:
    if urlsplit(address).scheme.startswith("redis"):
        return {
            "queue_order_strategy": "priority",
            "socket_connect_timeout": BROKER_ANSWER_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": 25,
        }
    return {"confirm_publish": True}


def _tls(address: str, authorities: str) -> dict[str, Any] | None:
    """Certificates are checked, which neither library does by itself; None without TLS."""
    parts = urlsplit(address)
    if parts.scheme == "rediss":
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": authorities or None}
    if parts.scheme == "amqps":
        given = {"ca_certs": authorities} if authorities else {}
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname, **given}
    return None
