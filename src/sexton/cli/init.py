"""Write `sexton.toml` and `.env.example` here, every setting with its meaning and default. Overwrites nothing.

--from looks at a database, changes nothing in it, and adds proposals: policies for tables whose name, columns and
references all say that their rows are of no more use one day. They only count until `sexton arm`. Where one of the
three leaves a doubt, the policy stands behind #, with the question that somebody has to answer.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..config import shown
from ..config.template import env_template, toml_template
from ..console import say
from ..errors import SettingsError, UsageError
from ..exit_codes import DONE
from ..files import write_new


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
    parser.add_argument(
        "--all",
        action="store_true",
        help="with --from: every proposal, not only the first dozen, and what was left out",
    )


def run(arguments: Namespace) -> int:
    """Write both files, or neither."""
    folder, source = Path(arguments.folder), arguments.source
    settings, example = folder / "sexton.toml", folder / ".env.example"
    for path in (settings, example):
        if os.path.lexists(path):
            raise UsageError(f"{path} is there already; nothing was written")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    if arguments.all and source is None:
        raise UsageError("--all goes with --from URL")
    text, address = toml_template(), None
    closing = ["next: set `database` and `packs`, then: sexton migrate, sexton check"]
    if source is not None:
        text, address, closing = _with_proposals(source, text, everything=arguments.all)
    written: list[Path] = []
    for path, content in ((settings, text), (example, env_template(address))):
        try:
            write_new(path, content.encode())
        except OSError as error:
            for other in written:
                other.unlink(missing_ok=True)
            why = error.strerror or str(error)
            raise SettingsError(f"{path} cannot be written: {why}; nothing was written") from error
        written.append(path)
    say(*(f"wrote {path}" for path in written), *closing)
    return DONE


def _with_proposals(source: str, template: str, *, everything: bool) -> tuple[str, str, list[str]]:
    """The template with what the database suggests at its end; its address without password; what to do next."""
    from sqlalchemy.engine import make_url

    from ..db.connect import place
    from ..proposals.proposal_text import chosen, proposals_text
    from ..proposals.propose import propose

    proposals = propose(source)
    where, address = place(make_url(source)), shown(source)
    line = template.count("\n") + 3
    ready = [proposal.name for proposal in chosen(proposals, everything) if not proposal.doubts]
    doubtful = sum(bool(proposal.doubts) for proposal in proposals.found)
    count = (
        f"{len(proposals.found) - doubtful}, and {doubtful} that need a decision"
        if doubtful
        else f"{len(proposals.found)}"
    )
    closing = [
        f"looked at {where}: {proposals.tables:,} tables; policies proposed: {count}, from line {line} on",
        f"next: put the address into .env: SEXTON_DATABASE={address}",
        "then: sexton migrate, sexton check",
    ]
    if ready:
        closing += ["then read each policy, see what it would do, and confirm it; until then it only counts:"]
        closing += [f"  sexton run policies.{ready[0]} --dry-run", f"  sexton arm {ready[0]}"]
    return f"{template}\n\n{proposals_text(proposals, where, everything=everything)}", address, closing
