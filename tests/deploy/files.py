"""Reading the files in deploy/: documents of YAML, sections of units, and every command that they start."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.parent.name != "grafana")
"""All but the dashboard, which starts nothing."""


def documents(name: str) -> list[Any]:
    """The documents of a YAML file in deploy/."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def of_kind(name: str, kind: str) -> Any:
    """The one Kubernetes object of a kind in a file."""
    (found,) = (document for document in documents(name) if document["kind"] == kind)
    return found


def instructions(name: str) -> list[tuple[str, str]]:
    """(instruction, rest) of a Dockerfile, continued lines joined, comments left out."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / name).read_text())
    found = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, rest in found]


def unit(name: str) -> list[tuple[str, str]]:
    """(key, value) of a systemd unit, in order."""
    lines = (DEPLOY / "systemd" / name).read_text().splitlines()
    return [(key, value) for line in lines if "=" in line and line[0] != "#" for key, _, value in [line.partition("=")]]


def commands() -> Iterator[tuple[str, list[str]]]:
    """(file, words behind `sexton`) of everything that is started; words behind another program are left out."""
    for file, words in _words():
        program = next(
            (place for place, word in enumerate(words) if word == "sexton" or word.endswith("/sexton")), None
        )
        if program is not None:
            yield file, words[program + 1 :]


def _words() -> Iterator[tuple[str, list[str]]]:
    for _, rest in instructions("Dockerfile"):
        found = re.search(r"(?:^|CMD )(\[.*\])$", rest)
        if found:
            yield "Dockerfile", json.loads(found[1])
    for service in documents("compose.yaml")[0]["services"].values():
        yield "compose.yaml", service.get("command", [])
    for line in (DEPLOY / "Procfile").read_text().splitlines():
        yield "Procfile", shlex.split(line.partition(": ")[2])
    (heroku,) = documents("heroku.yml")
    for part in (heroku["release"], *heroku["run"].values()):
        yield from (("heroku.yml", shlex.split(line)) for line in part["command"])
    for path in (DEPLOY / "systemd").glob("*.service"):
        yield from ((path.name, shlex.split(value)) for key, value in unit(path.name) if key.startswith("Exec"))
    for path in (DEPLOY / "kubernetes").glob("*.yaml"):
        for container in containers(documents(f"kubernetes/{path.name}")):
            yield path.name, container["command"]


def containers(node: Any) -> Iterator[dict[str, Any]]:
    """Every container below a node, those that only prepare included."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers"):
                yield from value
            else:
                yield from containers(value)
    elif isinstance(node, list):
        for item in node:
            yield from containers(item)
