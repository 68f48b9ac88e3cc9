"""List the jobs: schedule, zone, and when each is due next. Reads settings only, no database."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from .shared import add_json, duration_words, open_app, print_json, table


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the list."""
    app = open_app(arguments)
    at = datetime.now(UTC)
    if arguments.json:
        print_json(
            [
                {
                    "name": job.name,
                    "schedule": job.schedule.text if job.schedule else None,
                    "timezone": job.schedule.zone if job.schedule else None,
                    "next": job.schedule.next(at) if job.schedule else None,
                    "timeout": job.timeout,
                    "priority": job.priority,
                    "description": job.description,
                }
                for job in app.registry
            ]
        )
        return 0
    rows = []
    for job in app.registry:
        if job.schedule is None:
            rows.append((job.name, "by hand", "", "", ""))
            continue
        due = job.schedule.next(at)
        wait = f"in {duration_words((due - at).total_seconds())}"
        rows.append((job.name, job.schedule.text, job.schedule.zone, f"{due:%a %d %b %H:%M} UTC", wait))
    print(table(["JOB", "SCHEDULE", "ZONE", "NEXT", ""], rows, shrink="JOB"))
    return 0
