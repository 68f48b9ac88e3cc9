"""How a product asks for its jobs on demand: methods of `App`, which import nothing of the database before a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..jobs.on_demand import NO_WISH, Wish
from ..jobs.registry import Registry

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session


class Enqueuer:
    """Whoever has the jobs of an application, and its database."""

    registry: Registry

    if TYPE_CHECKING:

        @cached_property
        def database(self) -> Engine:
            """The database of the jobs."""

    def enqueue(
        self, name: str, /, *, using: Connection | Session | None = None, wish: Wish = NO_WISH, **arguments: Any
    ) -> int:
        """Ask for a job on demand, in the caller's own transaction: its number, see `enqueue_many` for more than one.

        using: a connection or a session in a transaction, to the database of the jobs; rolled back, it was never asked
        for. None: in a transaction of its own.
        Of two with the same `wish.unique` that wait, the number is that of the first.
        A job that is not on demand takes no arguments; then this asks for a run of it, and the number is the run's.
        UnknownName, UsageError: nothing was written. Errors of the database pass.
        """
        from .door import enqueue_one

        return enqueue_one(self.database, self.registry.get(name), arguments, wish, using)

    def enqueue_many(
        self,
        name: str,
        many: Iterable[Mapping[str, Any]],
        /,
        *,
        using: Connection | Session | None = None,
        wish: Wish = NO_WISH,
    ) -> list[int]:
        """One request for each of these arguments, in one transaction, as quick as rows can be copied: the numbers.

        All are checked before the first is written; the wish is that of each. Errors as those of `enqueue`.
        """
        from .door import enqueue_all

        return enqueue_all(self.database, self.registry.get(name), many, wish, using)

    async def enqueue_async(
        self, name: str, /, *, using: AsyncConnection | AsyncSession, wish: Wish = NO_WISH, **arguments: Any
    ) -> int:
        """`enqueue` in the transaction of an asynchronous connection or session of SQLAlchemy."""

        def ask(connection: Connection | Session) -> int:
            return self.enqueue(name, using=connection, wish=wish, **arguments)

        return await using.run_sync(ask)

    def cancel(self, number: int, /, *, using: Connection | Session | None = None, by: str = "the product") -> bool:
        """Take a request back: one that waits is gone, one that runs is told to end, by force after five seconds.

        by: who asks, for history.  False: there is no such request any more.
        """
        from .door import cancel_one

        return cancel_one(self.database, number, by, using)
