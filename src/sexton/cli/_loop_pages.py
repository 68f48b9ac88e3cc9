"""The pages for monitors beside a loop, where `web.listen` asks for them: of a worker, and of a scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..addresses import is_everywhere
from ..app import App
from ..errors import SettingsError
from ..telemetry.health_reader import HealthReader


@contextmanager
def loop_pages(
    app: App,
    idle_seconds: Callable[[], float],
    reader: HealthReader,
    say: Callable[..., None],
    unfit: Callable[[], str],
    unready: Callable[[], str],
) -> Iterator[None]:
    """Inside the block health and metrics are served. See `serving` for what it is told.

    SettingsError where their libraries are missing.
    """
    if app.settings.web.listen is None:
        yield
        return
    try:
        from ..web import serving
    except ModuleNotFoundError as error:
        raise SettingsError("web.listen: the pages need their libraries; run: pip install 'sexton[web]'") from error
    with serving(app, app.settings.web.listen, idle_seconds, reader, unfit, unready) as (host, port):
        say("pages", address=f"http://{f'[{host}]' if ':' in host else host}:{port}")
        if is_everywhere(host):
            say("pages are open", reason="web.listen is every address of this machine, and they have no password")
        yield
