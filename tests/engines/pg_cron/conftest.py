"""A server with pg_cron for a test process, and a shop on it for a test."""

from __future__ import annotations

from tests.support.pg_cron import pg_cron_server, shop

__all__ = ["pg_cron_server", "shop"]
