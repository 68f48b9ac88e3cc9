"""Write the pages that are made from the code, or with --check say which of them are stale.

python docs/generate.py            write all
python docs/generate.py --check    one line for each stale file, exit code 1 if there is one
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sexton.config.template import env_template
from sexton.declared.kinds.registry import BUILT_IN_KINDS, kind_type

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that `making`, beside this file, is found however this file is started

from docs.making import (  # noqa: E402
    api,
    cli,
    database,
    engines,
    errors,
    invoicing,
    ledger,
    marketplace,
    metrics,
    requirements,
    settings,
    storefront,
)

PAGES: Mapping[str, Callable[[], str]] = {
    ".env.example": env_template,
    "docs/reference/settings.md": lambda: settings.settings_reference(
        {name: kind_type(name) for name in BUILT_IN_KINDS}
    ),
    "docs/reference/settings.schema.json": settings.json_schema_text,
    "docs/reference/cli.md": cli.commands,
    "docs/reference/api.md": api.names,
    "docs/reference/tables.md": database.tables,
    "docs/reference/marketplace.md": marketplace.marketplace,
    "docs/reference/invoicing.md": invoicing.invoicing,
    "docs/reference/ledger.md": ledger.ledger,
    "docs/reference/storefront.md": storefront.storefront,
    "docs/reference/engines.md": engines.engines,
    "docs/reference/errors.md": errors.codes,
    "docs/reference/metrics.md": metrics.metrics,
    "docs/requirements.md": requirements.requirements,
}
"""Each generated file, from the root of the repository, and what makes its text."""


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the pages that are made from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing, report stale files")
    if parser.parse_args(arguments).check:
        return check(root)
    for path, text in _pages():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8", newline="\n")
    return 0


def check(root: Path) -> int:
    """1 if a file under `root` is missing or differs from what the code says, after one line for each."""
    stale = [path for path, text in _pages() if _content(root / path) != text]
    for path in stale:
        sys.stderr.write(f"{path} is stale; run: python docs/generate.py\n")
    return 1 if stale else 0


def _pages() -> Iterator[tuple[str, str]]:
    for path, page in PAGES.items():
        yield path, page()


def _content(file: Path) -> str | None:
    return file.read_bytes().decode("utf-8") if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
