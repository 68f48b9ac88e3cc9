"""The rules of the marketplace in plain Python, one loop a step: what the jobs are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

DAY = timedelta(days=1)
HOLDS = ("processing", "authorized", "captured", "settled")
RESTS = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))


@dataclass
class Licence:
    """One licence."""

    number: int
    store: int
    status: str
    expires: datetime
    created: datetime


@dataclass
class Licences:
    """Stores, licences, files and their uses, and what is on record. Each step gives the licences it took."""

    stores: dict[int, str]
    licences: dict[int, Licence]
    files: dict[int, datetime]
    uses: set[tuple[int, str, int]]
    noticed: dict[tuple[int, datetime], datetime] = field(default_factory=dict)
    warned: set[tuple[int, datetime]] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)

    def run(self, now: datetime) -> dict[str, int]:
        """The job; how many rows each step took."""
        return {
            "warn": self.warn(now),
            "expire": self.expire(now),
            "record": self.record(now),
            "revoke": self.revoke(now),
            "delete": self.delete(now),
        }

    def by_date(self) -> list[Licence]:
        return sorted(self.licences.values(), key=lambda licence: (licence.expires, licence.number))

    def warn(self, now: datetime) -> int:
        taken = 0
        for one in self.by_date():
            fact = (one.number, one.expires)
            in_window = now < one.expires <= now + 14 * DAY
            if one.status == "verified" and in_window and one.created <= now - DAY and fact not in self.warned:
                self.warned.add(fact)
                self.messages.append(f"license_expiring_soon {one.number}")
                taken += 1
        return taken

    def expire(self, now: datetime) -> int:
        taken = 0
        for one in self.by_date():
            if one.status not in ("expired", "deleted", "rejected") and one.expires < now:
                one.status = "expired"
                if (one.number, one.expires) not in self.noticed:
                    self.messages.append(f"license_expired {one.number}")
                self.noticed.setdefault((one.number, one.expires), now)
                taken += 1
        return taken

    def record(self, now: datetime) -> int:
        unseen = [
            (one.number, one.expires)
            for one in self.licences.values()
            if one.status == "expired" and one.expires < now and (one.number, one.expires) not in self.noticed
        ]
        self.noticed.update(dict.fromkeys(unseen, now))
        return len(unseen)

    def revoke(self, now: datetime) -> int:
        taken = 0
        for store, kyc in self.stores.items():
            theirs = [one for one in self.licences.values() if one.store == store]
            if kyc == "verified" and not any(one.status == "verified" and one.expires >= now for one in theirs):
                self.stores[store] = "expired"
                taken += 1
        return taken

    def delete(self, now: datetime) -> int:
        taken = 0
        for one in self.by_date():
            seen = self.noticed.get((one.number, one.expires))
            if one.status == "expired" and one.expires < now - 30 * DAY and seen is not None and seen <= now - DAY:
                del self.licences[one.number]
                self._forget_files_of(one.number, now)
                taken += 1
        return taken

    def _forget_files_of(self, number: int, now: datetime) -> None:
        theirs = {use for use in self.uses if use[1:] == ("license", number)}
        self.uses -= theirs
        for file in sorted(use[0] for use in theirs):
            used = any(use[0] == file for use in self.uses)
            if file in self.files and not used and self.files[file] < now - DAY:
                del self.files[file]
                self.messages.append(f"media_object_delete file-{file}")


@dataclass
class Order:
    """One vendor order. items: product -> pieces."""

    number: int
    parent: int
    status: str
    created: datetime
    items: dict[int, int]


@dataclass
class Orders:
    """Orders, their parents, payments and stock, and what is on record or set aside."""

    orders: dict[int, Order]
    parents: dict[int, str]
    payments: list[tuple[int, str]]
    stock: dict[int, int]
    nudged: set[int] = field(default_factory=set)
    aside: dict[int, tuple[int, datetime | None]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def run(self, now: datetime) -> dict[str, int]:
        """The job; how many rows each step took."""
        return {"nudge": self.nudge(now), "expire": self.expire(now), "settle": self.settle()}

    def by_age(self) -> Iterator[Order]:
        return iter(sorted(self.orders.values(), key=lambda order: (order.created, order.number)))

    def nudge(self, now: datetime) -> int:
        taken = 0
        for order in self.by_age():
            in_window = now - 10 * DAY < order.created <= now - 5 * DAY
            if order.status == "pending" and in_window and order.number not in self.nudged:
                self.nudged.add(order.number)
                self.messages.append(f"order_pending_nudge {order.number}")
                taken += 1
        return taken

    def expire(self, now: datetime) -> int:
        taken = 0
        resting = {number for number, (_, until) in self.aside.items() if until is None or until > now}
        refused = set()
        for order in self.by_age():
            due = order.status == "pending" and order.created <= now - 10 * DAY
            if not due or self._held(order.parent) or order.number in resting:
                continue
            if any(self.stock.get(product, pieces) < pieces for product, pieces in order.items.items()):
                refused.add(order.number)
                continue
            self._expire_one(order)
            taken += 1
        self._remember_refused(refused, resting, now)
        return taken

    def settle(self) -> int:
        taken = 0
        for parent, status in self.parents.items():
            theirs = {order.status for order in self.orders.values() if order.parent == parent}
            if status == "pending" and "expired" in theirs and "pending" not in theirs:
                self.parents[parent] = "expired"
                taken += 1
        return taken

    def _held(self, parent: int) -> bool:
        return any(order == parent and status in HOLDS for order, status in self.payments)

    def _expire_one(self, order: Order) -> None:
        order.status = "expired"
        self.messages += [f"order_expired {order.number} buyer", f"order_expired {order.number} vendor"]
        for product, pieces in order.items.items():
            if product in self.stock:
                self.stock[product] -= pieces
        siblings = {other.status for other in self.orders.values() if other.parent == order.parent}
        if self.parents[order.parent] == "pending" and "pending" not in siblings:
            self.parents[order.parent] = "expired"

    def _remember_refused(self, refused: set[int], resting: set[int], now: datetime) -> None:
        for number in list(self.aside):
            if number not in resting and number not in refused:
                del self.aside[number]  # healed, or no longer due
        for number in refused:
            times = self.aside.get(number, (0, None))[0] + 1
            rest = RESTS[times - 1] if times <= len(RESTS) else None
            self.aside[number] = (times, None if rest is None else now + rest)
