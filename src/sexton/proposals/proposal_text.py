"""Proposals as a part of `sexton.toml`, each with what was seen about its table above it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from ..config.template import WIDTH, toml_value
from ..setting_fields import dotted
from ..texts import visible
from .measure import MAX_MEASURED_DUE, Measures
from .propose import Proposal, Proposals

MAX_SHOWN_PROPOSALS = 12
"""Proposals that are written unless all are asked for."""


def proposals_text(proposals: Proposals, place: str, *, everything: bool = False) -> str:
    """The lines for the end of the settings file. place: of the database, without user and password.

    everything: also beyond the first dozen, and the tables for which no policy works.
    """
    lines = ["# Policies for your own tables", "#"]
    lines += _comment(f"`sexton init --from` looked at {visible(place)}: {_number(proposals.tables, 'table')}.")
    if proposals.found:
        lines += _comment(
            "Nothing below is deleted before you say so: a policy only counts until you confirm it with "
            "`sexton arm NAME`. Read each, change it or remove it; `sexton run policies.NAME --dry-run` counts again. "
            "What stands behind # needs a decision first, and stands last."
        )
    else:
        lines += _comment(
            "None of them looks like sessions, tokens, logs, notifications, jobs or rows marked as deleted, so there "
            "is no proposal. Write policies of your own: docs/how-to/policies.md."
        )
    for proposal in chosen(proposals, everything):
        lines += ["", *_lines(proposal)]
    lines += _rest(proposals, everything)
    return "\n".join([*lines, ""])


def chosen(proposals: Proposals, everything: bool) -> tuple[Proposal, ...]:
    """Those that are written."""
    return proposals.found if everything else proposals.found[:MAX_SHOWN_PROPOSALS]


def _rest(proposals: Proposals, everything: bool) -> Iterator[str]:
    if everything and proposals.left_out:
        yield from ("", "# Left out:")
        for name, why in proposals.left_out:
            yield from _comment(f"- {visible(name)} {visible(why)}")
        return
    more, left_out = len(proposals.found) - len(chosen(proposals, everything)), len(proposals.left_out)
    parts = [_number(more, "more proposal")] if more else []
    parts += [f"{_number(left_out, 'table')} left out"] if left_out else []
    if parts:
        yield ""
        yield from _comment(
            f"Not shown: {' and '.join(parts)}. `sexton init FOLDER --from URL --all` shows all, and says why."
        )


def _lines(proposal: Proposal) -> Iterator[str]:
    yield from _comment(f"Looks like {visible(proposal.looks)}. {_seen(proposal)}")
    yield from _comment(f"Why: {visible('; '.join(proposal.reasons))}{_index(proposal)}.")
    for remark in proposal.remarks:
        yield from _comment(f"Note: {visible(remark)}.")
    for doubt in proposal.doubts:
        yield from _comment(f"Decide first: {visible(doubt[:1].upper() + doubt[1:])}")
    hidden = "#" if proposal.doubts else ""
    yield f"{hidden}[{dotted(('policies', proposal.name))}]"
    for name, value in proposal.settings.items():
        remark = "  # the zone in which its dates are days; UTC is a guess" if name == "zone" else ""
        yield f"{hidden}{name} = {_inline(value)}{remark}"


def _index(proposal: Proposal) -> str:
    """Part of a sentence."""
    if proposal.measures.index is None:
        return ""
    return f"; {'an' if proposal.measures.index else 'no'} index leads to {visible(str(proposal.settings['by']))}"


def _seen(proposal: Proposal) -> str:
    measures = proposal.measures
    if measures.rows == 0:
        return "The table is empty."
    parts = [_rows(measures)]
    if measures.earliest is not None:
        to = "" if measures.latest is None else f" to {measures.latest:%Y-%m-%d}"
        parts.append(f"{visible(str(proposal.settings['by']))} from {measures.earliest:%Y-%m-%d}{to}")
    return f"{', '.join(parts)}; due now: {_due(measures)}."


def _rows(measures: Measures) -> str:
    if measures.rows is None:
        return "Rows not counted"
    if measures.exact:
        return _number(measures.rows, "row")
    digits = len(str(measures.rows)) - 4
    return f"About {round(measures.rows, -max(digits, 0)):,} rows"


def _due(measures: Measures) -> str:
    if measures.due is None:
        return "not counted, as that takes too long"
    return f"more than {MAX_MEASURED_DUE:,}" if measures.due > MAX_MEASURED_DUE else f"{measures.due:,}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _inline(value: object) -> str:
    """A value on one line, as TOML writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{dotted((str(name),))} = {_inline(item)}" for name, item in value.items()) + "}"
    return toml_value(value)


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
