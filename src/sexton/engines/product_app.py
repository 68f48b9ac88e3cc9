"""The product's own app of an engine's library, named in an engine's options as module:name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..jobs.foreign_code import guarded
from ..jobs.modules import require_trusted_source


def product_app(setting_name: str, path: str, kind: type, folder: Path) -> Any:
    """Import it. setting_name: begins each message.  kind: what it has to be.  folder: of the settings file.

    SettingsError, one line, whatever its module does; also when we are root and others could have written it (SEC-13).
    """
    module_name, _, name = path.partition(":")
    require_trusted_source(module_name, folder)
    with guarded(f"{setting_name}: {path} cannot be imported", SettingsError, module_name):
        found = getattr(import_module(module_name), name, None)
    if not isinstance(found, kind):
        raise SettingsError(f"{setting_name}: {path} is no {kind.__module__.partition('.')[0]} {kind.__name__}")
    return found
