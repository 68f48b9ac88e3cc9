"""What engines say would hurt in what they stand on: for `sexton doctor`. An engine may offer `findings()`."""

from __future__ import annotations

from collections.abc import Iterator

from ..app import App
from ..doctor.finding import Finding
from ..errors import SettingsError
from .registry import engine_of, engines_in_use


def engine_findings(app: App) -> Iterator[Finding]:
    """Of each engine that carries a job. One that cannot be had here is a finding itself."""
    for name in sorted(engines_in_use(app)):
        try:
            engine = engine_of(app, name)
            yield from getattr(engine, "findings", tuple)()
        except SettingsError as error:
            yield Finding("wrong", name, str(error))
            continue
        engine.close()
