"""The roll-up of the shop for command lines: `jobs = ["tests.support.sales_jobs"]` in sexton.toml."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Engine, create_mock_engine

from sexton import Job, Purge, rolled_up

from .sales import JOB, STEP, open_sales

_shop = open_sales(cast(Engine, create_mock_engine("sqlite://", lambda *_, **__: None)), make=False)
_orders = _shop.orders.c

sales = _shop.job()
hasty = Job("shop.hasty", work=Purge(_shop.orders, by=_orders.created_at, keep="30d"), guard=None)
waiting = Job(
    "shop.waiting",
    work=Purge(_shop.orders, by=_orders.created_at, keep="2d", only=rolled_up(_orders.created_at, JOB, STEP)),
    guard=None,
)
