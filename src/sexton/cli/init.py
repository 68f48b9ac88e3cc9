"""Write `sexton.toml` and `.env.example` here, every setting with its meaning and default. Overwrites nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..config.template import env_template, toml_template
from ..errors import UsageError


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where; default: here")


def run(arguments: Namespace) -> int:
    """Write both files, or neither."""
    folder = Path(arguments.folder)
    files = {folder / "sexton.toml": toml_template, folder / ".env.example": env_template}
    for path in files:
        if path.exists():
            raise UsageError(f"{path} is there already; nothing was written")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    for path, template in files.items():
        path.write_text(template(), encoding="utf-8")
        print(f"wrote {path}")
    print("next: set `database` and `packs`, then: sexton migrate, sexton check")
    return 0
