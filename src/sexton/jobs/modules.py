"""The jobs of a product's own modules: imported by name or by file, found at their top.

What a product's modules are called never decides what Sexton itself imports (SEC-12): the folder of a file stands at
the end of `sys.path`, behind Python's own library and what is installed, and no working directory stands in it.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import cache_from_source, find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from ..errors import PolicyError, SettingsError
from ..files import refuse_for_root
from .foreign_code import guarded, is_installed
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


def sources_of(source: str, folder: Path) -> list[Path]:
    """The files that importing it runs, as far as its name tells, and their compiled forms.

    By name: a module and the packages around it. By file: it, and the modules beside it, which it may import.
    None of them is run to find out; what they import besides, `_Own` sees. A module that is not there has none.
    """
    return _with_compiled(_sources(source, folder))


def _with_compiled(files: list[Path]) -> list[Path]:
    compiled = (Path(cache_from_source(str(file))) for file in files if file.suffix == ".py")
    return [*files, *(file for file in compiled if file.exists())]


def _sources(source: str, folder: Path) -> list[Path]:
    if source.endswith(".py"):
        path, real = folder / source, (folder / source).resolve()
        return [path, *sorted(set(real.parent.glob("*.py")) - {real})]
    top, *inner = source.split(".")
    if (spec := _spec(top)) is None:
        return []
    found = [Path(spec.origin)] if spec.origin and os.path.isabs(spec.origin) else []
    for base in spec.submodule_search_locations or ():
        place = Path(base)
        for part in inner:
            place /= part
            found += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return found


def require_trusted_source(source: str, folder: Path) -> None:
    """SettingsError when we are root and somebody else could have written what importing it runs (SEC-13)."""
    for path in sources_of(source, folder):
        refuse_for_root(path)


_START = (
    "import json, runpy, sys; _, module, path = sys.argv[:3]; del sys.argv[1:3]; "
    "sys.path += json.loads(path); runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def python(module: str, *words: str, jobs: Sequence[str]) -> list[str]:
    """The command line that runs a module of ours in a process of its own, with the jobs that this one has.

    It imports nothing from the working directory: `-P`, and the folders where this process finds modules of `jobs`
    at the end of its path. jobs: the sources of the settings.
    """
    folders = {str(base): None for source in jobs if (base := _base(source)) is not None}
    folders[str(Path(__file__).parents[2])] = None  # of this Sexton, which a script may have put on the path itself
    return [sys.executable, "-P", "-c", _START, module, json.dumps(list(folders)), *words]


def _base(source: str) -> Path | None:
    """The folder in which a module of this name, or its outermost package, is found; None for a file."""
    spec = None if source.endswith(".py") else _spec(source.partition(".")[0])
    if spec is None:
        return None
    inside = next(iter(spec.submodule_search_locations or ()), None) or spec.origin
    return Path(inside).parent if inside and os.path.isabs(inside) else None


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, without running it; None: nowhere."""
    try:
        return find_spec(name)
    except SettingsError:  # by `_Own`
        raise
    except Exception:  # who finds modules may be code of others; importing it will say what is wrong
        return None


class _Own(MetaPathFinder):
    """First of those that find modules, where we are root: SettingsError for one that others could have written.

    A package beside a jobs file, a module of a package, one that a function imports later: what is imported is known
    only when it is (SEC-13). Of what is installed, and of Python itself, whoever installed it has decided.
    """

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What the others find."""
        others = [one for one in sys.meta_path if one is not self and hasattr(one, "find_spec")]  # old ones have not
        found = (other.find_spec(name, path, target) for other in others)
        spec = next((one for one in found if one is not None), None)
        origin = spec.origin if spec is not None else None
        if origin and os.path.isabs(origin) and not is_installed(origin) and name.partition(".")[0] != "sexton":
            for file in _with_compiled([Path(origin)]):
                refuse_for_root(file)
        return spec


def _import_own_only() -> None:
    if os.geteuid() == 0 and not any(isinstance(finder, _Own) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Own())


def _module(source: str, folder: Path) -> ModuleType:
    _import_own_only()
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
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        with guarded(about, SettingsError, spec.name):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return module


def _own_name(path: Path) -> str:
    return f"sexton_jobs_{path.stem}"
