"""A product with a Celery application of its own: its tasks, its settings, its entries of beat."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from sexton.engines.celery import install

app = Celery("shop", broker=os.environ.get("SHOP_BROKER", "memory://"), set_as_current=False)
app.conf.update(
    accept_content=["json", "pickle"],
    task_acks_late=True,
    task_serializer="pickle",
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 1, "unacked_restore_limit": 1, "polling_interval": 0.2},
    worker_prefetch_multiplier=4,
    beat_schedule={"tick": {"task": "shop.note", "schedule": 0.5, "args": ["tick"]}},
)
install(app)


@app.task(name="shop.note")
def note(text: object) -> None:
    """Adds a line to the file of the test."""
    with Path(os.environ["SHOP_NOTES"]).open("a") as notes:
        notes.write(f"{text} {os.getpid()}\n")
