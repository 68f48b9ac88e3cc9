"""`sexton worker --engine celery`: a worker of Celery in place of this process, without its working directory.

`celery -A` puts the working directory in front of `sys.path`, where a file may pass for a module of somebody else.
"""

from __future__ import annotations

import signal
import sys
from typing import Any


def main(words: list[str]) -> int:
    """Work until a signal comes; Celery's own exit code."""
    from celery import maybe_patch_concurrency

    try:  # for gevent, before anything of ours is loaded that it has to change
        maybe_patch_concurrency(["celery", *words])
    except ModuleNotFoundError as error:
        from ...errors import SettingsError

        pool = error.name.partition(".")[0] if error.name else "its library"
        raise SettingsError(f"engines.celery.pool: {pool} is not installed; run: pip install {pool}") from error
    from celery import signals

    from .broker import on_redis
    from .settings_application import application_of_settings

    celery = application_of_settings()
    celery.conf.update(
        accept_content=["json"],  # whatever the product's own workers read
        worker_disable_prefetch=on_redis(celery.connection_for_read()),
        worker_redirect_stdouts=False,
    )
    signals.worker_ready.connect(_end_on_hangup, weak=False)
    return int(celery.start(words) or 0)


def _end_on_hangup(**_: Any) -> None:
    """SIGHUP ends a worker as SIGTERM does; Celery's own way, to start itself again, needs `celery` in front."""
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))


if __name__ == "__main__":
    from ...console import complain
    from ...errors import SextonError

    try:
        sys.exit(main(sys.argv[1:]))
    except SextonError as error:
        complain(*error.lines)
        sys.exit(error.exit_code)
