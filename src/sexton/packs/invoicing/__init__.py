"""Invoicing: overdue invoices and their digest, abandoned drafts, sessions, tokens of the tax authority (T-CRON-01).

Schedules are meant in `timezone`. What an invoice needs at once, its allocation number, its mail, its PDF, is done by
jobs on demand.
"""

from collections.abc import Sequence
from typing import Any

from sexton import Job, LazyWork, OnDemand, Pack, cron

from .options import InvoicingOptions

URGENT = 10
AT_NIGHT = -5


def jobs(options: InvoicingOptions, dialect: str) -> Sequence[Job]:
    """The jobs, at the times of the ticket. `[job."…"]` in the settings moves them."""
    return [*_for_owners(options), *_asked_for(options), *_tidying(options, dialect)]


def _for_owners(options: InvoicingOptions) -> list[Job]:
    """What somebody waits for. Without a guard: after a night without a run most of it is due."""
    return [
        Job(
            "invoicing.refresh_tokens",
            schedule=cron("*/15 * * * *", tz=options.timezone),
            priority=URGENT,
            guard=None,
            work=_work("tokens:steps", options),
            description="renew SHAAM tokens before they run out, each business by itself (T5.3)",
        ),
        Job(
            "invoicing.flag_overdue",
            schedule=cron("0 6 * * *", tz=options.timezone),
            guard=None,
            work=_work("overdue:steps", options),
            description="flag overdue invoices, unflag those that are not, and tell each business once a day (T2.2)",
        ),
        Job(
            "invoicing.rotate_keys",
            guard=None,
            work=_work("credentials:rotation", options),
            description="encrypt tokens by the newest of token_keys, so that older ones can go",
        ),
    ]


def _asked_for(options: InvoicingOptions) -> list[Job]:
    """By the code that finalises, sends or prints an invoice, in its own transaction: `app.enqueue(name, …)`."""
    return [
        Job(
            "invoicing.request_allocation",
            on_demand=OnDemand(attempts=8, show_args=True),
            work=_work("allocation:request_allocation", options),
            description="ask SHAAM for the allocation number of an invoice (T1.9)",
        ),
        Job(
            "invoicing.send_invoice_email",
            on_demand=OnDemand(show_args=True),
            work=_work("invoice_email:send_invoice_email", options),
            description="send an invoice to its customer, once a version (T1.9)",
        ),
        Job(
            "invoicing.generate_pdf",
            on_demand=OnDemand(show_args=True),
            work=_work("invoice_pdf:generate_pdf", options),
            description="make the PDF of an invoice, once a version (T1.9)",
        ),
    ]


def _tidying(options: InvoicingOptions, dialect: str) -> list[Job]:
    return [
        Job(
            "invoicing.clean_drafts",
            schedule=cron("0 3 * * *", tz=options.timezone),
            priority=AT_NIGHT,
            work=_work("drafts:steps", options, dialect),
            description="delete drafts that nobody has touched for 30 days, with their items (T3.2)",
        ),
        Job(
            "invoicing.clean_sessions",
            schedule=cron("0 4 * * *", tz=options.timezone),
            priority=AT_NIGHT,
            work=_work("retention:sessions", options),
            description="delete sessions whose time is up (T4.2)",
        ),
    ]


def _work(path: str, *arguments: object) -> LazyWork:
    return LazyWork(f"sexton.packs.invoicing.{path}", arguments)


def routes(options: InvoicingOptions) -> Sequence[Any]:
    """The pack's mails, by `mail = true`; `[route.NAME]` in the settings changes one."""
    if not options.mail:
        return ()
    from .mails import mail_routes  # loads the relay's code

    return mail_routes(options)


pack = Pack(
    "invoicing",
    options=InvoicingOptions,
    jobs=jobs,
    demo=LazyWork("sexton.packs.invoicing.demo:demonstration"),
    routes=routes,
    templates="sexton.packs.invoicing:templates",
)
