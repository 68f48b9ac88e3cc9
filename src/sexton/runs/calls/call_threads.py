"""Calls in threads of their own, each with a hard end; what they come to arrives in one place that can be selected on.

A thread that goes on past the end of its call cannot be stopped. It is let go of: its rows stay claimed until the
lease ends, and what it answers until then is still taken.
"""

from __future__ import annotations

import inspect
import os
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from ...call_outcomes import Again, CallOutcome, Done, Down, Failed, Gone, Unknown
from ...calls.claimed_row import ClaimedRow
from ...errors import CallCancelled
from ...policies.call_rule import Attempt
from ...policies.hard_end import HardEnd

OUTCOMES = (Done, Again, Failed, Gone, Unknown, Down)

NO_ANSWER = "the function gave no answer for it"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to. error: what the function raised.

    began: False: whoever was called has no part in it: it was not even begun, or ended as we wanted it to.
    """

    claimed: ClaimedRow
    outcome: CallOutcome
    ended: float
    began: bool = True
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class CallTask:
    """One call of the function, for one row or for several of one destination, all of one claim."""

    rows: Sequence[ClaimedRow]
    attempts: Sequence[Attempt]
    function: Callable[..., Any]
    several: bool
    end: HardEnd
    began: float = field(default_factory=time.monotonic)
    answered: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def destination(self) -> str:
        """Who is called."""
        return self.rows[0].destination


class CallThreads:
    """Runs tasks, and hands out their answers. Used by one thread; close it at the end."""

    def __init__(self) -> None:
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        os.set_blocking(self._reader, False)
        self._lock = threading.Lock()
        self._closed = False
        self.tasks: list[CallTask] = []
        self.abandoned: list[CallTask] = []
        self.seconds = 0.0
        """That calls which are over took, all together."""

    def start(self, task: CallTask) -> None:
        """Begin it."""
        self.tasks.append(task)
        threading.Thread(target=self._work, args=(task,), name=f"call to {task.destination}", daemon=True).start()

    def wait(self, *sources: Any, seconds: float) -> None:
        """Until there is an answer, one of the sources is readable, or that time is over."""
        if self.silent:
            select.select([self._reader, *sources], [], [], max(seconds, 0.0))

    @property
    def silent(self) -> bool:
        """Whether nothing has arrived that was not taken."""
        return self._answers.empty()

    def answers(self, most: int) -> list[Answer]:
        """What has arrived, and tasks that are over are forgotten."""
        with self._lock, suppress(BlockingIOError):
            os.read(self._reader, 65536)
        found: list[Answer] = []
        while len(found) < most:
            try:
                found.append(self._answers.get_nowait())
            except Empty:
                break
        self.tasks = [task for task in self.tasks if not task.over.is_set()]
        self.abandoned = [task for task in self.abandoned if not task.over.is_set()]
        return found

    def let_go(self, now: float) -> list[CallTask]:
        """Tasks that are past their end, asked to end and no longer waited for."""
        late = [task for task in self.tasks if not task.over.is_set() and task.end.expire(now)]
        self.tasks = [task for task in self.tasks if task not in late]
        self.abandoned += late
        return late

    @property
    def next_end(self) -> float:
        """Monotonic time of the next hard end, but of those that wait for an answer; far away without a task."""
        return min((task.end.ends for task in self.tasks if not task.end.asks), default=time.monotonic() + 3600)

    def close(self) -> None:
        """Nobody listens any more; what is still under way is asked to end."""
        for task in self.tasks:
            task.end.cancel("its run is over")
        with self._lock:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)

    def _work(self, task: CallTask) -> None:
        try:
            for answer in _answers_of(task):
                task.answered += 1
                self._hand_in(answer)
        finally:
            with self._lock:
                self.seconds += time.monotonic() - task.began
            task.over.set()
            task.end.cancel("it has had its answer")
            self.ring()

    def _hand_in(self, answer: Answer) -> None:
        self._answers.put(answer)
        self.ring()

    def ring(self) -> None:
        """End a `wait`, from any thread."""
        with self._lock:
            if not self._closed:
                with suppress(BlockingIOError):  # nobody has read for long; what is there will be heard
                    os.write(self._writer, b".")


def _answers_of(task: CallTask) -> Iterator[Answer]:
    """An answer for each row, whatever the function does."""
    if not task.several:
        yield _called(task)
        return
    waiting = list(task.rows)
    lazily = False
    try:
        given = task.function(task.attempts)
        lazily = inspect.isgenerator(given)
        for outcome in _each(given):
            if not waiting:
                return
            yield Answer(waiting.pop(0), _checked(outcome), time.monotonic())
        why: BaseException | None = None
    except BaseException as error:  # a thread of ours ends by no error of others
        why = error
    for number, row in enumerate(waiting):
        # A generator had one of them in hand, and no other; of a list nobody knows.
        if lazily and (number > 0 or why is None):
            yield Answer(row, Again(NO_ANSWER if why is None else _kind_of(why)), time.monotonic(), began=False)
        elif why is None:
            yield Answer(row, Again(NO_ANSWER), time.monotonic())
        else:
            yield _ended_by(row, why)


def _each(given: object) -> Iterable[Any]:
    if not isinstance(given, Iterable):
        raise TypeError(f"a call for several rows returns an outcome for each, not {type(given).__name__}")
    return given


def _called(task: CallTask) -> Answer:
    row = task.rows[0]
    try:
        return Answer(row, _checked(task.function(task.attempts[0])), time.monotonic())
    except BaseException as error:  # likewise
        return _ended_by(row, error)


def _checked(outcome: object) -> CallOutcome:
    if not isinstance(outcome, OUTCOMES):
        raise TypeError(f"a call returns Done, Again, Failed, Gone, Unknown or Down, not {type(outcome).__name__}")
    return outcome


def _ended_by(row: ClaimedRow, error: BaseException) -> Answer:
    """What a call comes to that raised it. One that was told to end may have done what it was to do."""
    if isinstance(error, CallCancelled):
        return Answer(row, Unknown(f"ended before its answer came: {error}"), time.monotonic(), began=error.late)
    return Answer(row, Again(_kind_of(error), fault=True), time.monotonic(), error=error)


def _kind_of(error: BaseException) -> str:
    """Only its kind: the text of an error may hold anything, the secrets of a request too."""
    return f"raised {type(error).__name__}"
