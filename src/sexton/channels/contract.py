"""What a channel is: something that takes notices and messages to others, and says in one word how that went.

`send` takes one notice of ours to all whom the settings name: alerts. `deliver` takes messages of the outbox, each to
its own recipient, and answers for each of them alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from ..call_outcomes import Again, CallOutcome, Down, Failed, Gone
from ..call_outcomes import Unknown as UnknownOutcome
from ..errors import SettingsError
from ..texts import json_text, one_line, visible

S = TypeVar("S")

DEADLINE = 10.0
"""Seconds that one answer from a server may take, and one HTTP call as a whole."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to people, ready to be sent: plain text, already without secrets.

    Each text is one line that holds nothing a reader's program obeys, whoever wrote it: made so here, for every channel
    (SEC-9, SEC-20). The key is ours.

    key: stable over retries, so that receivers can tell a second copy.  title: one line.  text: what is wrong.
    job: whom it is about.  facts: more, by name, in the order shown.  command: what to type to look closer.
    """

    key: str
    title: str
    text: str
    job: str
    facts: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    def __post_init__(self) -> None:
        for name in ("title", "text", "job", "command"):
            object.__setattr__(self, name, _told(getattr(self, name)))
        object.__setattr__(self, "facts", {_told(name): _told(value) for name, value in self.facts.items()})

    def lines(self) -> list[str]:
        """Text, facts and command as lines for people."""
        lines = [self.text, *(f"{name}: {value}" for name, value in self.facts.items())]
        return [*lines, f"look closer: {self.command}"] if self.command else lines


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message of the outbox on its way to one recipient.

    id: stable over all attempts, "msg_…"; what a receiver tells a second copy by.  key: the effect key behind it.
    recipient: the address that the channel takes: of mail, of a webhook, of a person in the product.
    payload: what the message says.  subject, text, html: made of its template; empty where the route has none.
    attempt: 1 for the first.  uncertain: an earlier one may have arrived.
    secrets: keys that sign for this recipient, all that have not expired.
    """

    id: str
    key: str
    event: str
    recipient: str
    payload: Mapping[str, Any]
    created_at: datetime
    subject: str = ""
    text: str = ""
    html: str = ""
    attempt: int = 1
    uncertain: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """The name in settings: "email"."""
        ...

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Take the notice to all receivers, or to those named in `only`, within seconds; never retries by itself.

        Returns receivers who will never take it, with the reason, while others did. Raises Refused, Unavailable
        or Unconfirmed when nobody, or not everybody, could be told."""
        ...


@dataclass(frozen=True, slots=True)
class Library:
    """What a channel needs beside Sexton. modules: looked for before it is used.  words: for people.

    install: the command.
    """

    modules: tuple[str, ...]
    words: str
    install: str


HTTP_LIBRARY = Library(("httpx2", "standardwebhooks"), "the HTTP library", "pip install 'sexton[alerts]'")


class ConfiguredChannel(ABC, Generic[S]):
    """A channel that settings can name, with all that is known about it: one class in one file.

    name: in settings, `[channel.NAME]`.  settings_type: a dataclass whose fields are made by `sexton.setting`, all with
    defaults; its `check()` raises ValueError where values do not fit together.
    required: settings without which it cannot send.  library: what has to be installed for it.
    alerts: whether it takes notices, by `send`.
    addressed: whether a message needs a recipient; False: it leads to one place.
    strangers: whether recipients are web addresses that others chose; those that fail for days are disabled.
    delivers: whether it takes messages of the outbox, by `deliver`.  batch: how many of them at once.
    needed_to_deliver: settings without which it cannot deliver.
    own_place: setting with an address that messages go to by routes which name nobody; "": there is none.
    retry: delays after which one that did not arrive is tried again, while a route names no others.
    """

    name: ClassVar[str]
    settings_type: ClassVar[type]
    required: ClassVar[tuple[str, ...]] = ()
    library: ClassVar[Library | None] = None
    alerts: ClassVar[bool] = True
    addressed: ClassVar[bool] = True
    delivers: ClassVar[bool] = False
    strangers: ClassVar[bool] = False
    batch: ClassVar[int] = 1
    needed_to_deliver: ClassVar[tuple[str, ...]] = ()
    own_place: ClassVar[str] = ""
    retry: ClassVar[tuple[str, ...]] = ("10s", "1m", "5m", "30m")

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @classmethod
    def warnings(cls, settings: S) -> Iterable[tuple[str, str]]:
        """What `sexton check` warns of: the setting, and what is odd about it, without secrets."""
        return ()

    @abstractmethod
    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """See `Channel.send`."""

    def destination(self, recipient: str) -> str:
        """What fails together: the relay of a mail, the host of a webhook. It rests as a whole when it is down."""
        return self.name

    def deliver(self, messages: Sequence[OutgoingMessage], *, seconds: float) -> Iterator[CallOutcome]:
        """Take messages of one destination to their recipients; an outcome for each, in order, as soon as it is known.

        seconds: until the hard end of the call.  What it raises counts as Again for the message in hand.
        """
        raise SettingsError(f"the channel {self.name} takes no messages of the outbox")


class ChannelError(Exception):
    """A notice or a message was not delivered; the text is one line without secrets.

    whole: it says nothing about this message: whoever is called there would not have been reached.
    """

    whole: bool = False

    def of_all(self) -> Self:
        """The same error, about the other side as a whole."""
        self.whole = True
        return self


class Refused(ChannelError):
    """For good: our settings are wrong, or nobody is there any more. Trying again cannot help; a person must look."""


class Vanished(Refused):
    """For good, as there is nobody any more: an endpoint deleted. It is to be disabled; nobody is alarmed."""


class Unavailable(ChannelError):
    """Not now. retry_after: seconds the other side asked for, None when it did not.

    left: the receivers that are still to be told; empty means all.  refused: those who never will, with the reason.
    partial: somebody has been told.
    """

    def __init__(
        self,
        text: str,
        *,
        retry_after: float | None = None,
        left: Sequence[str] = (),
        refused: Mapping[str, str] | None = None,
        partial: bool = False,
    ) -> None:
        self.retry_after = retry_after
        self.left = tuple(left)
        self.refused = dict(refused or {})
        self.partial = partial
        super().__init__(text)


class Unconfirmed(Unavailable):
    """The answer was lost: it may have been delivered. One more try with the same key is right, a third is not."""


def as_json(notice: Notice) -> dict[str, object]:
    """The notice as it is kept in a row, and sent to webhooks."""
    return {
        "title": notice.title,
        "text": notice.text,
        "job": notice.job,
        "facts": dict(notice.facts),
        "command": notice.command,
    }


def _told(text: object) -> str:
    return visible(one_line(str(text)))


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters; what is cut off is marked."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def compact(value: object) -> bytes:
    """JSON without blanks, as UTF-8: what is signed is what is sent."""
    return json_text(value, separators=(",", ":")).encode()


def as_outcome(error: ChannelError) -> CallOutcome:
    """What an error of a channel means for one message. whole: it is about everybody there, see `ChannelError`."""
    asked = error.retry_after if isinstance(error, Unavailable) else None
    if error.whole:
        return Down(str(error), asked, lasting=isinstance(error, Refused))
    if isinstance(error, Vanished):
        return Gone(str(error))
    if isinstance(error, Unconfirmed):
        return UnknownOutcome(str(error))
    return Again(str(error), asked) if isinstance(error, Unavailable) else Failed(str(error))
