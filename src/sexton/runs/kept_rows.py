"""What a step that went through says about rows that were due and are still there: to the run, which ends by it."""

from __future__ import annotations

from sqlalchemy import Connection

from ..policies.contract import Plan
from ..run_counts import Counts
from ..run_state import ENDED_BY_ITSELF
from ..slots.history import history
from ..statements.unlisted_references import count_referenced, references_text
from ..statements.vetoing_triggers import vetoing_triggers
from .batches import Batches
from .context import RunContext
from .transaction_retries import TransactionRetries


def conclude(batches: Batches) -> None:
    """After the loop and `left_over`: count rows that others refer to, and say what was kept, and by what."""
    counts = batches.counts
    if batches.unlisted_references:
        found = batches.attempts.look_aside(
            lambda connection: count_referenced(connection, batches.whole, batches.unlisted_references, batches.request)
        )
        # More than can be counted in time are at least those that were met.
        each = (
            [(one, batches.refusals.by_reference) for one in batches.unlisted_references] if found is None else found[1]
        )
        counts.referred = batches.refusals.by_reference if found is None else found[0]
        if counts.referred:
            words = references_text(batches.whole, each)
            (batches.context.left_behind if counts.changed else batches.context.failures).append(words)
    say_kept(batches.context, batches.attempts, batches.plan, counts)


def say_kept(context: RunContext, attempts: TransactionRetries, plan: Plan, counts: Counts) -> None:
    """Rows of `counts.kept` make the run partial, and failed when the run before had some as well."""
    if not counts.kept:
        return
    names, before = attempts.side_transaction(
        lambda connection: (
            vetoing_triggers(connection, plan.table, deletes=plan.deletes),
            _kept_before(connection, context, plan.step),
        )
    )
    done = "deleted" if plan.deletes else "changed"
    words = f"{counts.kept:,} row{'s' * (counts.kept != 1)} of {plan.table.fullname} found and not {done}"
    if names:
        words += f"; see the trigger{'s' * (len(names) > 1)} {', '.join(names)}"
    (context.failures if before else context.left_behind).append(f"{words}{', not for the first time' * before}")


def _kept_before(connection: Connection, context: RunContext, step: str) -> bool:
    runs = history(connection, job=context.claim.job, states=ENDED_BY_ITSELF, limit=1)
    return bool(runs) and step in runs[0].steps and runs[0].steps[step].kept > 0
