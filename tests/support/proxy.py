"""A proxy in front of PostgreSQL that counts statements, and cuts, mutes or freezes at a chosen one.

    with Proxy(url) as proxy:
        proxy.on(lambda statement: statement.text == "COMMIT", CUT_AFTER)    # executed, never answered
        proxy.on(lambda statement: statement.number == 3, cut(kill(pid)))    # killed before statement 3
        work(proxy.url_for(url))

A statement is one execution: a simple Query, or an Execute of the extended protocol (BEGIN and COMMIT count).
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from types import TracebackType

from sqlalchemy import make_url

from .link import Link
from .patience import PATIENCE
from .proxy_actions import CUT, CUT_AFTER, FREEZE, MUTE, PASS, Action, Condition, Statement, call, cut, cut_after, kill

__all__ = ["CUT", "CUT_AFTER", "FREEZE", "MUTE", "Proxy", "Statement", "call", "cut", "cut_after", "kill"]


@dataclass
class _Rule:
    condition: Condition
    action: Action
    times: int


class Proxy:
    """Listens on a free port of 127.0.0.1 in front of the server of `url`. Use as a context manager."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        assert target.host
        assert target.port
        self.target = (target.host, target.port)
        self.changed = threading.Condition()
        self.frozen = False
        self._statements: list[Statement] = []
        self._rules: list[_Rule] = []
        self._links: list[Link] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.admit()

    def url_for(self, url: str) -> str:
        """The same URL, going through this proxy."""
        return make_url(url).set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    @property
    def statements(self) -> list[Statement]:
        """All statements seen so far, also those that were cut."""
        with self.changed:
            return list(self._statements)

    def on(self, condition: Condition, action: Action, times: int = 1) -> None:
        """Do `action` at the next `times` statements that meet `condition`; the first matching rule wins."""
        with self.changed:
            self._rules.append(_Rule(condition, action, times))

    def wait_for(self, condition: Condition, seconds: float = PATIENCE) -> Statement:
        """The first statement, past or to come, that meets `condition`. Raises TimeoutError."""

        def found() -> Statement | None:
            return next(filter(condition, self._statements), None)

        with self.changed:
            statement = self.changed.wait_for(found, seconds)
        if statement is None:
            raise TimeoutError(f"no such statement within {seconds} s")
        return statement

    def freeze(self) -> None:
        """From now on forward nothing, in either direction, on any connection; new ones get no answer."""
        self._set_frozen(True)

    def thaw(self) -> None:
        """Forward again, beginning with what was held."""
        self._set_frozen(False)

    def unmute(self) -> None:
        """Let the held answers of all muted connections through."""
        with self.changed:
            for link in self._links:
                link.muted = False
            self.changed.notify_all()

    def cut(self) -> None:
        """Close all connections there are, on both sides; new ones are still accepted."""
        with self.changed:
            links = list(self._links)
        for link in links:
            link.cut()

    def refuse(self) -> None:
        """Refuse new connections (nobody listens); those there are stay."""
        listener, self._listener = self._listener, None
        if listener:
            self._doorman.join()
            listener.close()

    def admit(self) -> None:
        """Accept new connections again, on the same port."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listener.settimeout(0.05)  # closing a socket does not wake `accept` everywhere
            self.port = self._listener.getsockname()[1]
            self._doorman = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
            self._doorman.start()

    def close(self) -> None:
        """Cut everything and end all threads."""
        self.refuse()
        self.cut()
        for link in self._links:
            link.join()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def judge(self, connection: int, text: str) -> tuple[Statement, Action]:
        """Count a statement and say what becomes of it."""
        with self.changed:
            statement = Statement(len(self._statements) + 1, connection, text)
            self._statements.append(statement)
            self.changed.notify_all()
            for rule in self._rules:
                if rule.times > 0 and rule.condition(statement):
                    rule.times -= 1
                    return statement, rule.action
        return statement, PASS

    def _set_frozen(self, frozen: bool) -> None:
        with self.changed:
            self.frozen = frozen
            self.changed.notify_all()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            with self.changed:
                link = Link(self, client, len(self._links) + 1)
                self._links.append(link)
            link.start()
