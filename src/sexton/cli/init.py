"""Write `sexton.toml` and `.env.example` here, every setting with its meaning and default. Overwrites nothing.

--from looks at a database, changes nothing in it, and adds proposals: policies for tables that look like sessions,
tokens, logs, notifications, finished jobs or rows marked as deleted. They only count until `sexton arm`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..config import shown
from ..config.template import env_template, toml_template
from ..errors import DONE, UsageError


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where; default: here")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="URL",
        help="propose policies for the tables of this database; its password is written into no file, and can stay "
        "out of the arguments, too: PostgreSQL takes it from PGPASSWORD or ~/.pgpass",
    )


def run(arguments: Namespace) -> int:
    """Write both files, or neither."""
    folder, source = Path(arguments.folder), arguments.source
    settings, example = folder / "sexton.toml", folder / ".env.example"
    for path in (settings, example):
        if path.exists():
            raise UsageError(f"{path} is there already; nothing was written")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    text, address = toml_template(), None
    closing = ["next: set `database` and `packs`, then: sexton migrate, sexton check"]
    if source is not None:
        text, address, closing = _with_proposals(source, text)
    for path, written in ((settings, text), (example, env_template(address))):
        path.write_text(written, encoding="utf-8")
        print(f"wrote {path}")
    print("\n".join(closing))
    return DONE


def _with_proposals(source: str, template: str) -> tuple[str, str, list[str]]:
    """The template with what the database suggests at its end; its address without password; what to do next."""
    from sqlalchemy.engine import make_url

    from ..db.connect import place
    from ..declared.proposal_text import proposals_text
    from ..declared.propose import propose

    proposals = propose(source)
    where, address = place(make_url(source)), shown(source)
    line, count = template.count("\n") + 3, len(proposals.found)
    closing = [
        f"looked at {where}: {proposals.tables:,} tables; policies proposed: {count}, from line {line} on",
        f"next: put the address into .env: SEXTON_DATABASE={address}",
        "then: sexton migrate, sexton check",
    ]
    ready = [proposal.name for proposal in proposals.found if not proposal.doubt]
    if ready:
        closing += ["then read each policy, see what it would do, and confirm it; until then it only counts:"]
        closing += [f"  sexton run policies.{ready[0]} --dry-run", f"  sexton arm {ready[0]}"]
    return f"{template}\n\n{proposals_text(proposals, where)}", address, closing
