"""Bound context: per thread, per coroutine, taken back where it was asked for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING

import pytest

from issue_tracker.context import MAX_BOUND_KEYS, bind, bound, forget, restore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    """Each test begins and ends without context."""
    forget()
    yield
    forget()


def test_nothing_is_bound_at_first() -> None:
    """And asking changes nothing."""
    assert bound() == {}


def test_later_values_win() -> None:
    """Binding adds; the same key is replaced."""
    bind(theater_id=5, city="Bogotá")
    bind(theater_id=6)

    assert bound() == {"theater_id": 6, "city": "Bogotá"}


def test_a_block_takes_its_keys_back() -> None:
    """What was bound before it is bound again after it."""
    bind(theater_id=5)

    with bind(theater_id=6, movie="Avatar"):
        assert bound() == {"theater_id": 6, "movie": "Avatar"}

    assert bound() == {"theater_id": 5}


def test_blocks_nest() -> None:
    """Each takes back its own."""
    with bind(a=1):
        with bind(b=2):
            assert bound() == {"a": 1, "b": 2}
        assert bound() == {"a": 1}
    assert bound() == {}


def test_an_error_keeps_the_keys_until_it_was_recorded() -> None:
    """What leaves a task's `with bind(...)` is captured outside of it, and shows what it was about."""
    with pytest.raises(KeyError), bind(theater_id=5):
        raise KeyError("showtimes")

    assert bound() == {"theater_id": 5}


def test_the_newest_keys_are_kept_when_there_are_too_many() -> None:
    """A loop that binds a key each time can't grow without end."""
    for number in range(MAX_BOUND_KEYS * 3):
        bind(**{f"key_{number}": number})

    assert len(bound()) == MAX_BOUND_KEYS
    assert f"key_{MAX_BOUND_KEYS * 3 - 1}" in bound()


def test_any_name_may_be_bound() -> None:
    """Also those of the function's own arguments."""
    bind(self=1, values=2, before=3)

    assert bound() == {"self": 1, "values": 2, "before": 3}


def test_binding_does_not_reach_into_what_was_bound_before() -> None:
    """Each binding is a dict of its own: a run that keeps an earlier one sees it unchanged."""
    bind(a=1)
    before = bound()

    bind(b=2)

    assert before == {"a": 1}


def test_an_eager_task_gives_its_callers_context_back() -> None:
    """Those keys and nothing else."""
    bind(a=1)
    before = bound()
    bind(b=2)

    restore(before)
    assert bound() == {"a": 1}
    restore({})
    assert bound() == {}


def test_threads_do_not_see_each_others() -> None:
    """A thread of a pool runs other tasks."""
    bind(a=1)
    seen = []

    thread = threading.Thread(target=lambda: (seen.append(bound()), bind(b=2)))
    thread.start()
    thread.join()

    assert seen == [{}]
    assert bound() == {"a": 1}


def test_coroutines_inherit_and_do_not_leak() -> None:
    """Each asyncio task has its own, begun with that of who made it."""

    async def bind_and_read(number: int) -> dict[str, object]:
        bind(number=number)
        await asyncio.sleep(0)
        return bound()

    async def both() -> list[dict[str, object]]:
        bind(a=1)
        return await asyncio.gather(bind_and_read(1), bind_and_read(2))

    assert asyncio.run(both()) == [{"a": 1, "number": 1}, {"a": 1, "number": 2}]


def test_a_copied_context_is_a_copy() -> None:
    """As `asgiref` copies it into a thread."""
    bind(a=1)

    assert contextvars.copy_context().run(lambda: (bind(b=2), bound())[1]) == {"a": 1, "b": 2}
    assert bound() == {"a": 1}
