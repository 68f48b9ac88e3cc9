"""Celery in the suite about carried runs: with Redis and with RabbitMQ, by a pool of processes and by threads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer


class CeleryCarrier:
    """Celery with a broker of the test's own. pool: of its workers.  settings: of the broker."""

    name = "celery"

    def __init__(self, broker: type[RedisServer | RabbitMQServer], *, pool: str = "prefork", **settings: Any) -> None:
        self._broker, self._settings = broker, settings
        self._pool = pool
        self.server: RedisServer | RabbitMQServer | None = None
        self.outlives = False
        self.watched = pool != "prefork"

    def set_up(self, folder: Path) -> tuple[str, dict[str, str]]:
        """The broker."""
        self.server = self._broker(folder, **self._settings)
        self.server.boot()
        options = {"broker": self.server.url, "pool": self._pool}
        lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
        return "\n".join(lines), {}

    def stop_broker(self) -> None:
        """As a machine that loses its power."""
        assert self.server is not None
        self.server.shut_down(crash=True)

    def start_broker(self, *, wiped: bool) -> None:
        """On the same port."""
        assert self.server is not None
        if wiped:
            self.server.wipe()
        self.server.boot()

    def close(self) -> None:
        """End the broker."""
        if self.server is not None:
            self.server.stop()
