"""The pack's mails: notices of orders to whoever ordered, all else to the admin."""

from __future__ import annotations

from dataclasses import replace

from sexton import Route

from .low_stock import LOW_STOCK_ALERT
from .options import StorefrontOptions
from .order_notices import ORDER_NOTICES
from .payments import PAYMENT_REFUND_DUE

CONFIRMED_EVENT = ORDER_NOTICES["CONFIRMED"].event
SOON = 10
"""Priority of what a customer waits for."""


def mail_routes(options: StorefrontOptions) -> list[Route]:
    """A customer's address is looked up when a mail is sent: it may have changed since the order did."""
    others = tuple(notice.event for notice in ORDER_NOTICES.values() if notice.event != CONFIRMED_EVENT)
    named = options.columns.get("users", {})
    people = options.tables.get("users", "users")
    key, address = named.get("id", "id"), named.get("email", "email")

    def customer(name: str, events: tuple[str, ...], template: str) -> Route:
        mail = Route(name, events, "email", template=template, priority=SOON)
        return replace(mail, people=people, people_key=key, address=address)

    def admin(name: str, events: tuple[str, ...], template: str) -> Route:
        return Route(name, events, "email", to=options.admin, template=template)

    return [
        customer("storefront_order_confirmed", (CONFIRMED_EVENT,), "order_confirmed"),
        customer("storefront_order_notice", others, "order_notice"),
        admin("storefront_low_stock", (LOW_STOCK_ALERT,), "low_stock"),
        admin("storefront_money", (PAYMENT_REFUND_DUE, "payment_needs_review"), "money"),
        admin("storefront_sales", ("sales_report", "sales_report_correction"), "sales_report"),
    ]
