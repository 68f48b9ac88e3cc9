"""A product whose application has rules for all its tasks: short, few, in a queue of its own, of a base class."""

from __future__ import annotations

import os

from celery import Celery, Task

from sexton.engines.celery import install


class ShopTask(Task):
    """What all tasks of the product are."""

    expires = 0.001
    routing_key = "shop.tasks"


app = Celery("shop", broker=os.environ.get("SHOP_BROKER", "memory://"), set_as_current=False, task_cls=ShopTask)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_default_rate_limit="1/h",
    task_soft_time_limit=1,
    task_routes={"*": {"queue": "celery", "exchange": "shop", "routing_key": "shop.tasks"}},
    task_create_missing_queues="SHOP_NAMES_ALL_QUEUES" not in os.environ,
    task_create_missing_queue_type="quorum",
)
install(app)
