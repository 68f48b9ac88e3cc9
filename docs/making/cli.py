"""The page of commands, from their argument parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

from sexton.cli import main as front

from .markdown import fenced, page, sentence

WIDTH = 100


def commands() -> str:
    """Every command with what its `--help` prints."""
    return page("Command line", "src/sexton/cli", _parts())


def _parts() -> Iterator[str]:
    yield (
        "What `sexton` and `sexton COMMAND --help` print. Every command takes `--config` and `--database`. "
        "What exit codes and states mean: [errors](errors.md)."
    )
    yield "## sexton"
    yield fenced(_help(front._front()))
    for name, meaning in front.COMMANDS.items():
        command = import_module(f"sexton.cli.{name.replace('-', '_')}")
        parser = front._parser(name, (command.__doc__ or "").strip())
        command.arguments(parser)
        yield f"## sexton {name}"
        yield sentence(meaning)
        yield fenced(_help(parser))


def _help(parser: argparse.ArgumentParser) -> str:
    """The help in a fixed width, whatever terminal this runs in; newer Pythons would colour it."""
    vars(parser)["color"] = False
    vars(parser)["formatter_class"] = _Formatter
    return parser.format_help()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH)
