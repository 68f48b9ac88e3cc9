"""RQ in the suite about carried runs: with a Redis of the test's own."""

from __future__ import annotations

from pathlib import Path

from tests.support.redis_server import RedisServer


class RqCarrier:
    """The end of a work-horse is seen by its worker. Several workers end, with their runs, with whoever started them;
    one alone is that process, and its work-horse outlives it: see `tests/engines/rq`."""

    name = "rq"
    outlives = False
    watched = True

    def __init__(self) -> None:
        self.server: RedisServer | None = None

    def set_up(self, folder: Path) -> tuple[str, dict[str, str]]:
        """Its address."""
        self.server = RedisServer(folder)
        self.server.boot()
        return f'url = "{self.server.url}"', {}

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
        """End it."""
        if self.server is not None:
            self.server.stop()
