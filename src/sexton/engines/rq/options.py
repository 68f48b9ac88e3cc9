"""Settings `[engines.rq]`: which Redis, which queues, how long a run may go on when its worker is to end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...config import setting
from ...errors import SettingsError
from ...setting_fields import Misfit
from ..broker_address import broker_address, check_address

_SCHEMES = ("redis", "rediss", "unix")
_QUEUE = re.compile(r"[\w.:-]+")


@dataclass(frozen=True, slots=True)
class RqOptions:
    """How RQ carries runs."""

    url: str = setting(
        "",
        'address of Redis, as redis://, rediss:// or unix://; "env:NAME": what that variable holds',
        secret=True,
        example="env:REDIS_URL",
    )
    queue: str = setting("sexton", "queue of jobs with a priority of 0 or less")
    high_queue: str = setting("sexton.high", "queue of jobs with a priority above 0")
    stop_limit: str = setting(
        "10s",
        "how long a worker of ours that is to end leaves a run to end its batch, before it kills it",
        kind="duration",
        minimum="1s",
        maximum="10m",
    )

    def check(self) -> None:
        """Misfit when what is named cannot carry anything."""
        if not self.url:
            raise Misfit('name your Redis, for instance url = "env:REDIS_URL"', "url")
        check_address(self.url, _SCHEMES, "url")
        if not _QUEUE.fullmatch(self.queue) or not _QUEUE.fullmatch(self.high_queue) or self.queue == self.high_queue:
            raise Misfit("queue and high_queue need two different names of letters, digits, and . : _ -", "high_queue")

    @property
    def queues(self) -> tuple[str, str]:
        """Both, the one to be emptied first in front."""
        return self.high_queue, self.queue

    def address(self) -> str:
        """The address of Redis, with its password. SettingsError when the variable is not set, or holds none."""
        if not self.url:  # options that set nothing are not checked
            raise SettingsError('engines.rq.url: name your Redis, for instance url = "env:REDIS_URL"')
        return broker_address(self.url, _SCHEMES, "engines.rq.url")
