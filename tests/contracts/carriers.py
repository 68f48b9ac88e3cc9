"""The engines of the suite about carried runs. Another engine is one more entry of `CARRIERS`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer

from .carried import Carrier
from .celery_carriers import CeleryCarrier
from .procrastinate_carrier import ProcrastinateCarrier
from .rq_carrier import RqCarrier


class Files:
    """The tests' own engine, installed as another package would be: the suite itself is tried with it."""

    name = "files"

    def __init__(self, *, beside: bool = False) -> None:
        self._beside = self.watched = beside
        self.outlives = not beside
        self._folder = Path()

    def set_up(self, folder: Path) -> tuple[str, dict[str, str]]:
        """A folder."""
        self._folder = folder / "queue"
        self._folder.mkdir()
        return f"folder = {str(self._folder)!r}\nbeside = {str(self._beside).lower()}", {}

    def stop_broker(self) -> None:
        """The folder is elsewhere."""
        self._folder.rename(self._folder.with_name("away"))

    def start_broker(self, *, wiped: bool) -> None:
        """It is back."""
        away = self._folder.with_name("away")
        away.rename(self._folder)
        if wiped:
            for file in self._folder.iterdir():
                file.unlink()

    def close(self) -> None:
        """Nothing runs."""
        shutil.rmtree(self._folder, ignore_errors=True)


CARRIERS: dict[str, Callable[[], Carrier]] = {
    "files": Files,
    "files, executors": lambda: Files(beside=True),
    "rq": RqCarrier,
    "procrastinate": ProcrastinateCarrier,
    "celery, redis": lambda: CeleryCarrier(RedisServer),
    "celery, redis, threads": lambda: CeleryCarrier(RedisServer, pool="threads"),
    "celery, rabbitmq": lambda: CeleryCarrier(RabbitMQServer),
}
"""By the name of the case."""
