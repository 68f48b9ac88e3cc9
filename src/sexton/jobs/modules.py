"""The jobs of a product's own modules: imported by name or by file, found at their top."""

from __future__ import annotations

import ast
import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from ..errors import PolicyError, SettingsError
from .foreign import guarded
from .job import Job


def jobs_of(source: str, folder: Path) -> list[Job]:
    """The jobs that a module defines at its top, in the order they are written.

    source: a module's name, or the path of its file as seen from `folder`.
    SettingsError, PolicyError: one line with file and line, whatever the module does while it is imported.
    """
    module = _module(source, folder)
    found = [value for value in vars(module).values() if isinstance(value, Job)]
    if not found:
        raise PolicyError(f'jobs: {source} defines no job; write for instance expire = Job("shop.expire", …)')
    return found


def place_of(source: str, folder: Path, job: Job) -> str:
    """Where a module gives the job its name: "own.py:12", or the source alone where that is not plain to see."""
    module = sys.modules.get(_own_name(folder / source) if source.endswith(".py") else source)
    file = getattr(module, "__file__", None)
    names = [name for name, value in vars(module).items() if value is job] if module is not None else []
    with suppress(OSError, SyntaxError, ValueError):
        for node in ast.parse(Path(file or "").read_bytes()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id in names for target in targets):
                return f"{source if source.endswith('.py') else os.path.relpath(str(file))}:{node.lineno}"
    return source


def _module(source: str, folder: Path) -> ModuleType:
    about = f"jobs: {source} cannot be imported"
    if not source.endswith(".py"):
        with guarded(about, SettingsError, source):
            return import_module(source)
    path = (folder / source).resolve()
    spec = spec_from_file_location(_own_name(path), path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SettingsError(f"jobs: there is no file {source}")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    sys.path.insert(0, str(path.parent))
    try:
        with guarded(about, SettingsError, spec.name):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return module


def _own_name(path: Path) -> str:
    return f"sexton_jobs_{path.stem}"
