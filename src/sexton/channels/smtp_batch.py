"""Mails to one receiver each over one connection, and for each of them what came of it, as soon as it is known.

    before a receiver is named   Down: the relay, or our settings (M6); so does every 421, for all that are left
    a receiver, or his mail      4xx: Again (M2, M5); 5xx: Failed (M1); cut: Again (M3)
    the final dot                no answer: Unknown (M4)

What was not begun for another reason has lost no attempt. A connection that broke in the middle is replaced as long as
it took a mail before, and once besides; one that served, and refuses the next sender, always.
"""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ..call_outcomes import Again, CallOutcome, Done, Down, Failed, Unknown
from .call_timeout import TooLate, within
from .contract import as_outcome
from .smtp_session import BEFORE_RECEIVERS, BROKEN, DOT, Conversation, RelaySettings, is_taken

BLAMED = 3
"""So many mails refused in a row because of us are refused because of us (see `_blames_us`)."""

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_FULL = "5.2.2"
"""The box of the receiver is full: he may tidy up."""
_QUOTA = "5.4.5"
"""Some hosts answer so when we have sent enough for today."""
_MAIL_SYSTEM = "4.3."
"""The relay itself is in trouble (RFC 3463): its disk is full, it takes nothing."""

_MARGIN = 2.0
"""Seconds, at most, by which a batch ends before it is given up: its outcomes are then still heard."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail for one receiver. id: of the message.  utf8: its address needs SMTPUTF8.  attempt: 1 for the first."""

    id: str
    address: str
    content: bytes
    utf8: bool
    attempt: int


class Suspicion:
    """Messages that a relay refused because of who sent them, one after another; forgotten with each that it takes.

    One such refusal may be the receiver's own wish. Several of different messages are about us (M6).
    """

    def __init__(self) -> None:
        self._messages: set[str] = set()

    def grown(self, message: str) -> bool:
        """Whether this message makes it certain; the count then begins anew, so that no receiver can stop all mail."""
        self._messages.add(message)
        certain = len(self._messages) >= BLAMED
        if certain:
            self._messages.clear()
        return certain

    def forget(self) -> None:
        """The relay took one."""
        self._messages.clear()


def carry_all(
    relay: RelaySettings, letters: Iterable[Letter | Failed], suspicion: Suspicion, seconds: float
) -> Iterator[CallOutcome]:
    """An outcome for each letter, in order. A letter that cannot be one is a `Failed`, and no reason to stop.

    seconds: for all of it. A letter that was not begun has lost no attempt.
    """
    batch = _Batch(relay, suspicion, seconds)
    try:
        for letter in letters:
            yield letter if isinstance(letter, Failed) else batch.outcome(letter)
    finally:
        batch.hang_up()


class _Batch:
    def __init__(self, relay: RelaySettings, suspicion: Suspicion, seconds: float) -> None:
        self._relay, self._suspicion = relay, suspicion
        self._end = time.monotonic() + seconds - min(_MARGIN, seconds / 10)
        self._enough = min(relay.answer, seconds / 4)
        self._conversation: Conversation | None = None
        self._spare = 1
        self._taken = False
        self._over: Again | Down | None = None

    def hang_up(self) -> None:
        """Close the connection."""
        if self._conversation is not None:
            self._conversation.close()
        self._conversation = None

    def outcome(self, letter: Letter) -> CallOutcome:
        """What came of the letter; or that it was not begun, and why."""
        left = self._end - time.monotonic()
        if self._over is None and (left <= 0 or (self._taken and left < self._enough)):
            return self._used_up()
        # None: a connection that had served refused the next sender. A new one has not served, so that ends.
        return self._over or self._attempt(letter) or self._attempt(letter) or _not_begun("its connections were closed")

    def _attempt(self, letter: Letter) -> CallOutcome | None:
        with_relay = self._conversation = self._conversation or Conversation(self._relay)
        with_relay.expect([letter.address])
        try:
            within(
                max(self._end - time.monotonic(), 0.0),
                lambda: with_relay.carry(letter.content, [letter.address], utf8=letter.utf8),
                with_relay.cut,
            )
        except smtplib.SMTPResponseException as error:
            reply = error.smtp_error
            words = reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply
            return self._refused(with_relay, letter, error.smtp_code, words)
        except BROKEN as error:
            return self._lost(with_relay, error)
        code, words = with_relay.replies[letter.address]
        if not is_taken(code):
            return self._refused(with_relay, letter, code, words)
        self._taken = True
        self._suspicion.forget()
        return Done(why=with_relay.said)

    def _refused(self, with_relay: Conversation, letter: Letter, code: int, words: str) -> CallOutcome | None:
        """A reply said no."""
        error = with_relay.refusal(code, words)
        if with_relay.phase in BEFORE_RECEIVERS:
            self.hang_up()
            if with_relay.served:
                return None
            return self._down(Down(str(error), lasting=self._is_ours(with_relay, code)))
        if code == 421:
            return self._down(Down(str(error)))
        if not 400 <= code < 600:  # no reply of SMTP at all: nothing of what follows can be understood
            self._replace(str(error))
            return Unknown(str(error)) if with_relay.phase == DOT else Again(str(error), fault=True)
        enhanced = match[1] if (match := _ENHANCED.match(words)) else ""
        if code >= 500 and _blames_us(enhanced):
            if self._suspicion.grown(letter.id):
                return self._down(Down(f"{error}; and so for {BLAMED} messages in a row"))
            return Again(str(error)) if letter.attempt < BLAMED else Failed(str(error))
        if code < 500 or enhanced == _FULL:
            return Again(str(error), fault=enhanced.startswith(_MAIL_SYSTEM))
        return Failed(str(error))

    def _lost(self, with_relay: Conversation, broken: Exception) -> CallOutcome | None:
        """No reply came."""
        error = with_relay.lost(broken)
        late = isinstance(broken, TooLate)
        if with_relay.phase not in BEFORE_RECEIVERS:
            self._replace(str(error))
            outcome = as_outcome(error)
            return replace(outcome, fault=True) if isinstance(outcome, Again) else outcome
        self.hang_up()
        if with_relay.served and not late:
            return None
        if late and self._taken:
            return self._used_up()
        down = as_outcome(error.of_all())
        assert isinstance(down, Down)
        return self._down(down)

    def _replace(self, why: str) -> None:
        """The next letter gets a new connection, if this one was of use, or is the first to break."""
        if self._conversation is not None and not self._conversation.taken:
            self._spare -= 1
        if self._spare < 0:
            self._over = _not_begun(why)
        self.hang_up()

    def _used_up(self) -> Again:
        self._over = _not_begun("the time for these messages was used up")
        self.hang_up()
        return self._over

    def _down(self, outcome: Down) -> Down:
        """Nothing more is begun: what is left waits as this one does."""
        self._over = outcome
        self.hang_up()
        return outcome

    def _is_ours(self, with_relay: Conversation, code: int) -> bool:
        """Whether a person has to correct our settings; they are right if the relay has taken mail with them."""
        return 500 <= code < 600 and with_relay.phase != "connect" and not self._taken


def _not_begun(why: str) -> Again:
    return Again(f"not begun: {why}", counts=False)


def _blames_us(enhanced: str) -> bool:
    """Refused for security or policy (RFC 3463, 5.7.x): a blocked sender, an address on a list. Or a quota."""
    return enhanced.startswith("5.7.") or enhanced == _QUOTA
