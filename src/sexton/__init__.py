"""Sexton does the time-driven work of a product's database: on time, once, without hurting the neighbours.

    from sexton import Job, Purge, every

Everything public is here and is loaded when it is first used, so that naming jobs and schedules costs no SQLAlchemy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import App as App
    from .app import main as main
    from .config import setting as setting
    from .db.functions import as_text as as_text
    from .db.functions import days_left as days_left
    from .db.functions import iso_text as iso_text
    from .db.functions import json_payload as json_payload
    from .db.functions import only_if as only_if
    from .db.instants import ago as ago
    from .db.instants import ahead as ahead
    from .db.instants import now as now
    from .db.keys import effect_key as effect_key
    from .db.ledger import set_aside as set_aside
    from .db.ledger import text_key as text_key
    from .db.ledger import told as told
    from .db.outbox import Outbox as Outbox
    from .db.outbox import own_outbox as own_outbox
    from .db.types import UtcDateTime as UtcDateTime
    from .db.types import Word as Word
    from .errors import PolicyError as PolicyError
    from .errors import SextonError as SextonError
    from .jobs.backoff import parse_backoff as parse_backoff
    from .jobs.duration import parse_duration as parse_duration
    from .jobs.guard import Guard as Guard
    from .jobs.job import Job as Job
    from .jobs.job import Later as Later
    from .jobs.misfire import Misfire as Misfire
    from .jobs.pack import Pack as Pack
    from .jobs.schedule import cron as cron
    from .jobs.schedule import every as every
    from .outbox.write import tell as tell
    from .policies.contract import Change as Change
    from .policies.contract import Found as Found
    from .policies.contract import Message as Message
    from .policies.contract import Plan as Plan
    from .policies.contract import Policy as Policy
    from .policies.purge import Child as Child
    from .policies.purge import Purge as Purge
    from .policies.transition import Transition as Transition
    from .policies.warn_once import WarnOnce as WarnOnce
    from .runs.counts import Counts as Counts
    from .runs.functions import Run as Run

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("App", "main"), "app"),
    "setting": "config",
    **dict.fromkeys(("as_text", "days_left", "iso_text", "json_payload", "only_if"), "db.functions"),
    "effect_key": "db.keys",
    **dict.fromkeys(("set_aside", "text_key", "told"), "db.ledger"),
    **dict.fromkeys(("ago", "ahead", "now"), "db.instants"),
    **dict.fromkeys(("Outbox", "own_outbox"), "db.outbox"),
    **dict.fromkeys(("UtcDateTime", "Word"), "db.types"),
    **dict.fromkeys(("PolicyError", "SextonError"), "errors"),
    "parse_backoff": "jobs.backoff",
    "parse_duration": "jobs.duration",
    "Guard": "jobs.guard",
    **dict.fromkeys(("Job", "Later"), "jobs.job"),
    "Misfire": "jobs.misfire",
    "Pack": "jobs.pack",
    **dict.fromkeys(("cron", "every"), "jobs.schedule"),
    "tell": "outbox.write",
    **dict.fromkeys(("Change", "Found", "Message", "Plan", "Policy"), "policies.contract"),
    **dict.fromkeys(("Child", "Purge"), "policies.purge"),
    "Transition": "policies.transition",
    "WarnOnce": "policies.warn_once",
    "Counts": "runs.counts",
    "Run": "runs.functions",
}

__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'sexton' has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return __all__
