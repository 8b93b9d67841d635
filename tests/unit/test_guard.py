"""The guard: errors of ours end in it, signals wait for it, and what ends a greenlet from outside passes."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import gevent
import pytest
from celery.exceptions import SoftTimeLimitExceeded

from issue_tracker import complaints
from issue_tracker.guard import bear, harmless
from issue_tracker.spool import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ToldToEndError(BaseException):
    """What Celery's handlers raise is as good as this."""


@pytest.fixture(params=["alone", "beside another thread"])
def handler(request: pytest.FixtureRequest) -> Iterator[None]:
    """A handler of SIGUSR1 that raises, as billiard's of the soft time limit does; also where other threads run.

    A signal that the main thread blocks goes to another thread then, and Python runs its handler in the main one.
    """

    def raise_it(_number: int, _frame: object) -> None:
        raise ToldToEndError

    before = signal.signal(signal.SIGUSR1, raise_it)
    may_end = threading.Event()
    thread = threading.Thread(target=may_end.wait)
    if request.param != "alone":
        thread.start()
    yield
    may_end.set()
    if request.param != "alone":
        thread.join()
    signal.signal(signal.SIGUSR1, before)


def busy() -> None:
    """Pass through enough lines for a due handler to run."""
    for _number in range(1_000):
        os.getpid()


def run(guarded: Callable[[], object]) -> None:
    """Call it and wait: another thread that a signal was given to may get its turn on the processor only later."""
    guarded()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        busy()


@pytest.mark.parametrize(
    "error", [ValueError, MemoryError, RecursionError, SystemExit, KeyboardInterrupt, GeneratorExit]
)
def test_no_error_of_ours_leaves(error: type[BaseException], capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever it is, the task goes on; it is said and counted."""
    complaints._last.update(at=0.0, held=0)

    @harmless
    def broken(_value: str) -> int:
        raise error("a secret value")

    assert broken("another secret") is None

    said = capfd.readouterr().err
    assert f"broken failed with {error.__name__}" in said
    assert "secret" not in said
    assert current().reserve.counts() == {f"internal: broken: {error.__name__}": 1}


def test_what_works_works() -> None:
    """Arguments and results pass."""

    @harmless
    def add(one: int, *, other: int) -> int:
        """Add."""
        return one + other

    assert add(1, other=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")


def test_a_signal_waits_for_the_end_and_is_raised_then(handler: None) -> None:
    """The record is on disk before the task learns that it was told to end; and it does learn it."""
    done = []

    @harmless
    def record() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        busy()
        done.append("recorded")

    with pytest.raises(ToldToEndError):
        run(record)

    assert done == ["recorded"]
    assert current().reserve.counts() == {}


def test_a_signal_waits_although_the_function_fails(handler: None) -> None:
    """An error of ours must not cost the host its signal."""

    @harmless
    def broken() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        busy()
        raise ValueError

    with pytest.raises(ToldToEndError):
        run(broken)

    assert current().reserve.counts() == {"internal: broken: ValueError": 1}


def test_nested_guards_wait_for_the_outermost(handler: None) -> None:
    """A report inside a receiver is still inside the receiver."""
    done = []
    inner = harmless(lambda: done.append("inner"))

    @harmless
    def outer() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        inner()
        busy()
        done.append("outer")

    with pytest.raises(ToldToEndError):
        run(outer)

    assert done == ["inner", "outer"]


@harmless
def send_both(arrived: list[str]) -> None:
    """Send two signals inside a guarded block; none arrives before its end."""
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR1)
    busy()
    arrived.append("end of the block")


def test_several_signals_are_all_delivered(handler: None) -> None:
    """None is swallowed by another."""
    arrived: list[str] = []
    before = signal.signal(signal.SIGUSR2, lambda *_: arrived.append("second"))
    try:
        with pytest.raises(ToldToEndError):
            send_both(arrived)
        busy()
    finally:
        signal.signal(signal.SIGUSR2, before)

    assert arrived == ["end of the block", "second"]


def test_the_guard_leaves_mask_and_handlers_as_they_were(handler: None) -> None:
    """Also those that were blocked before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
    try:
        harmless(busy)()

        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before | {signal.SIGHUP}
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)] == handlers
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_other_threads_are_guarded_too() -> None:
    """Errors end there; signals are the main thread's business."""
    found: list[Any] = []
    broken: Callable[[], None] = harmless(lambda: 1 / 0)  # type: ignore[arg-type, return-value]

    thread = threading.Thread(target=lambda: found.append(broken()))
    thread.start()
    thread.join()

    assert found == [None]


@pytest.mark.parametrize("ending", [gevent.GreenletExit, gevent.Timeout])
def test_what_ends_a_greenlet_passes(ending: type[BaseException]) -> None:
    """A greenlet that is killed while it waits must end: it is not an error of ours."""

    @harmless
    def killed() -> None:
        raise ending

    with pytest.raises(ending):
        killed()

    assert current().reserve.counts() == {}


def test_errors_of_what_every_task_passes_end_there(capfd: pytest.CaptureFixture[str]) -> None:
    """As with the long guard: said without their text, and counted."""
    complaints._last.update(at=0.0, held=0)

    bear("broken", ValueError("a secret value"))

    said = capfd.readouterr().err
    assert "broken failed with ValueError" in said
    assert "secret" not in said
    assert current().reserve.counts() == {"internal: broken: ValueError": 1}


@pytest.mark.parametrize("raised", [ToldToEndError, SystemExit, SoftTimeLimitExceeded, gevent.Timeout])
def test_what_every_task_passes_lets_through_what_a_handler_raises(raised: type[BaseException]) -> None:
    """A soft time limit too, though it is an Exception like those of ours."""

    def raise_it(_number: int, _frame: object) -> None:
        raise raised

    before = signal.signal(signal.SIGUSR1, raise_it)

    def quick() -> None:
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
            busy()
        except Exception as error:  # noqa: BLE001  what the guard is for
            bear("quick", error)

    try:
        with pytest.raises(raised):
            quick()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert current().reserve.counts() == {}
