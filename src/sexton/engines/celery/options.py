"""Settings `[engines.celery]`: which application or broker, which queues, how `sexton worker` works."""

from __future__ import annotations

from dataclasses import dataclass

from ...config import setting
from ...setting_fields import Misfit
from ..broker_address import broker_address, check_address

CELERY_TASK = "sexton.consume"
"""Name of our task, in every application."""

SCHEMES = ("redis", "rediss", "amqp", "amqps")
"""Brokers that the tests run with, in the clear and by TLS."""

POOLS = ("prefork", "threads", "solo", "gevent")
"""Pools of Celery: processes of their own, or one process for all runs, which then hands them to executors."""

NEITHER = 'name your Celery application, app = "shop.tasks:app", or a broker, and not both'


@dataclass(frozen=True, slots=True)
class CeleryOptions:
    """How Celery carries runs. One of `app` and `broker` is needed, and no more than one."""

    app: str = setting(
        "",
        "your Celery application, as module:name; its broker carries runs, its workers may",
        example="shop.tasks:app",
    )
    broker: str = setting(
        "",
        'address of a broker, where no application of yours is to carry runs; "env:NAME": what that variable holds',
        secret=True,
        example="env:CELERY_BROKER_URL",
    )
    broker_ca: str = setting(
        "", "file of the certificates that sign the broker's, for rediss and amqps; by default those of the system"
    )
    queue: str = setting("sexton", "queue of jobs with a priority of 0 or less")
    high_queue: str = setting("sexton.high", "queue of jobs with a priority above 0")
    pool: str = setting("prefork", "pool of `sexton worker --engine celery`: prefork, threads, solo, gevent")
    stop_limit: str = setting(
        "10s",
        "how long a worker that is to end at once (SIGQUIT, or SIGTERM on Heroku) leaves runs to end their batch",
        kind="duration",
        minimum="1s",
        maximum="10m",
    )
    arguments: tuple[str, ...] = setting(
        (), "more arguments of `celery worker`, for `sexton worker --engine celery`", example=["--autoscale=8,2"]
    )

    def check(self) -> None:
        """Misfit when what is named cannot carry anything."""
        if bool(self.app) == bool(self.broker):
            raise Misfit(NEITHER, "app")
        if self.app and not all(self.app.partition(":")):
            raise Misfit(f'{self.app!r} is no module and name; write app = "shop.tasks:app"', "app")
        if self.broker:
            check_address(self.broker, SCHEMES, "broker")
        if not self.queue or not self.high_queue or self.queue == self.high_queue:
            raise Misfit("queue and high_queue need two different names", "high_queue")
        if self.pool not in POOLS:
            raise Misfit(f"one of {', '.join(POOLS)}, not {self.pool!r}", "pool")

    @property
    def queues(self) -> tuple[str, str]:
        """Both, the one to be emptied first in front."""
        return self.high_queue, self.queue

    def broker_address(self) -> str:
        """The address of the broker, with its password. SettingsError when the variable is not set, or is none."""
        return broker_address(self.broker, SCHEMES, "engines.celery.broker")
