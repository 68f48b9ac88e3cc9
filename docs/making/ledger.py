"""The page of the ledger pack: its jobs, options, tables and events."""

from __future__ import annotations

from collections.abc import Iterator

from sexton.packs.ledger import jobs
from sexton.packs.ledger.books import RULES, audit
from sexton.packs.ledger.lots import LOT_EXPIRED
from sexton.packs.ledger.operations import KEY_STUCK, OPERATION_EXPIRED
from sexton.packs.ledger.options import LedgerOptions
from sexton.packs.ledger.tables import ledger_tables

from .markdown import code, page, sentence, table
from .pack_parts import events_table, jobs_table, options_table, tables_table


def ledger() -> str:
    """Jobs, options, tables, events of the pack, and the rules of its books."""
    return page("The ledger pack", "src/sexton/packs/ledger", _parts())


def _parts() -> Iterator[str]:
    yield (
        'Enabled by `packs = ["ledger"]` in `sexton.toml`. How to set it up, and what the product itself calls: '
        "[the ledger pack, step by step](../how-to/ledger.md). Why it is as it is: "
        "[a ledger, and who writes in it](../explanation/ledger.md)."
    )
    made = jobs(LedgerOptions(), "postgresql")
    yield "## Jobs"
    yield '[`[job."NAME"]`](settings.md#jobname) moves or stops one.'
    yield jobs_table(made)
    yield "## Options"
    yield (
        "In the table `[pack.ledger]` of `sexton.toml`. A duration counts days of 24 hours. `keys_keep` must be longer "
        "than `retry_horizon`."
    )
    yield options_table(LedgerOptions)
    yield "## Tables and columns"
    yield (
        "What the jobs, and the calls of the product's own code, read and write under the pack's own names; `tables` "
        "and `columns` map them to yours. Your tables may have more columns. Amounts are whole numbers of the smallest "
        "unit. Unless `outbox_events` is mapped, messages go to [Sexton's own outbox](tables.md#outbox_events)."
    )
    yield tables_table(ledger_tables(LedgerOptions()).metadata)
    yield "## Events"
    yield "The effect key decides that each is written once."
    yield events_table((), _events())
    yield "## Rules of the books"
    yield "`books.audit` gives a `Violation` for each thing that breaks one of them."
    yield table(["rule", "broken when"], _rules())


def _events() -> Iterator[list[str]]:
    """Event, who writes it, to whom, its fields."""
    cleanup = "`ledger.ops_cleanup`, step"
    yield [
        code(OPERATION_EXPIRED),
        f"{cleanup} `expire`, once an operation",
        "`operations.account_id`",
        "operation_id, expires_at",
    ]
    yield [code(KEY_STUCK), f"{cleanup} `stuck`, once a key and `locked_at`", "`admin`", "key, locked_at"]
    yield [
        code(LOT_EXPIRED),
        "`ledger.expire_lots`, step `expire`, once a lot and the entries it came to",
        "`lots.account_id`",
        "lot_id, amount, expires_at",
    ]


def _rules() -> Iterator[list[str]]:
    """From the docstring, which lists them."""
    lines = [line.strip() for line in (audit.__doc__ or "").splitlines()]
    rules = [line.partition(" ") for line in lines if "  " in line]
    assert len(rules) == len(RULES)
    for name, _, meaning in rules:
        yield [code(name), sentence(meaning.strip())]
