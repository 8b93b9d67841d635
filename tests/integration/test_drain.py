"""The drain: acknowledged after the commit, once however often, and no record stops or costs another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction

from issue_tracker import report
from issue_tracker.drain import Drained, drain, lock_path
from issue_tracker.drain import batches as drain_module
from issue_tracker.drain.batches import drain_batch, drain_lock, drain_reserve
from issue_tracker.event import Event, encode
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import Spool
from tests import spools
from tests.events import an_event

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "one spool")


def fill(spool: Spool, *events: Event) -> None:
    """Append events."""
    for event in events:
        assert spool.append(encode(event), key=event.fingerprint, stub=lambda event=event: encode(event))


def test_an_empty_spool_costs_nothing(spool: Spool, django_assert_num_queries: Any) -> None:
    """No query, no file."""
    with django_assert_num_queries(0):
        assert drain(spool) == Drained()

    assert not spool.directory.exists()


def test_records_become_rows_and_are_gone_from_the_spool(spool: Spool) -> None:
    """All of them, in batches."""
    fill(spool, *(an_event() for _number in range(1_050)))

    done = drain(spool)

    assert (done.records, done.stored, done.merged, done.quarantined) == (1_050, 1_050, 0, 0)
    assert OperationalIssue.objects.get().occurrence_count == Occurrence.objects.count() == 1_050
    assert spool.is_empty()


def test_a_drain_may_be_bounded(spool: Spool) -> None:
    """A request never pays for a whole backlog."""
    fill(spool, *(an_event() for _number in range(1_050)))

    drain(spool, max_batches=1)

    assert spool.depth() == 550


def test_big_records_make_small_batches(spool: Spool) -> None:
    """Memory and transaction are bounded in bytes too."""
    fill(spool, *(an_event(error_message="x" * 200_000) for _number in range(30)))

    with drain_lock(spool):
        assert 10 <= drain_batch(spool).records <= 25


def test_what_comes_while_a_batch_is_stored_waits_for_the_next_look(spool: Spool) -> None:
    """Under a steady flow each small batch would bring the next one; a full one is followed at once."""
    fill(spool, *(an_event() for _number in range(drain_module.MAX_BATCH_RECORDS + 3)))

    with drain_lock(spool):
        batches = [drain_batch(spool) for _number in range(3)]

    assert [batch.records for batch in batches] == [drain_module.MAX_BATCH_RECORDS, 3, 0]
    assert [batch.is_worth_another for batch in batches] == [True, False, False]


def test_a_record_is_acknowledged_after_the_commit_only(spool: Spool) -> None:
    """Killed before the commit nothing is lost, killed after it the replay changes nothing."""
    fill(spool, an_event())

    class Killed(BaseException):
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drain_module, "fold", _raising(Killed))
        with pytest.raises(Killed):
            drain(spool)
    assert (spool.depth(), OperationalIssue.objects.count()) == (1, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "ack", _raising(Killed))
        with pytest.raises(Killed):
            drain(spool)
    assert (spool.depth(), OperationalIssue.objects.get().occurrence_count) == (1, 1)

    assert drain(spool).stored == 0
    assert (spool.depth(), OperationalIssue.objects.get().occurrence_count) == (0, 1)


def test_what_is_unreadable_is_put_into_quarantine(spool: Spool) -> None:
    """Junk, an empty body, a record of something else: the sound ones beside them are stored."""
    fill(spool, an_event())
    for body in (b"", b"junk", b"[]", b"{}", b"\xff\xfe", encode(an_event())[:-5]):
        spool.append(body, key="k", stub=lambda: b"")
    fill(spool, an_event())

    done = drain(spool)

    assert (done.records, done.stored, done.quarantined) == (8, 2, 6)
    assert {reason.partition(":")[0] for _body, reason, _at in spool.quarantined()} == {"unreadable"}
    assert spool.is_empty()


@pytest.mark.parametrize("place", [0, 1, 57, 99])
def test_a_refused_record_is_found_by_halves_and_set_aside(spool: Spool, place: int) -> None:
    """Whatever the database refuses in it; its neighbours are stored, in one drain."""
    events = [an_event(error_message=str(number)) for number in range(100)]
    refused = an_event(task_id="x" * 300) if connection.vendor != "sqlite" else an_event(severity="no such severity")
    fill(spool, *events[:place], refused, *events[place:])

    done = drain(spool)

    assert (done.stored, done.quarantined) == (100, 1)
    [(body, reason, _at)] = spool.quarantined()
    assert body == encode(refused)
    assert reason
    assert Occurrence.objects.count() == OperationalIssue.objects.get().occurrence_count == 100
    assert drain(spool) == Drained()


@pytest.mark.parametrize(
    "values",
    [
        {"severity": "fatal"},
        {"args": [float("inf")]},
        {"error_message": "\0"},
        {"context": {"a\0": "\0"}},
        {"task": "t" * 999},
    ],
)
def test_no_record_stops_the_drain(spool: Spool, values: dict[str, Any]) -> None:
    """Stored or set aside, on every database; the one after it is stored."""
    event = an_event(**values)
    body = encode(event) if "args" not in values else encode(an_event(args=["#"])).replace(b'"#"', b"Infinity")
    spool.append(body, key="k", stub=lambda: b"")
    fill(spool, an_event(fingerprint="a" * 64))

    done = drain(spool)

    assert done.stored + done.quarantined == 2
    assert OperationalIssue.objects.filter(fingerprint="a" * 64).exists()
    assert spool.is_empty()


def test_many_refused_records_are_all_set_aside(spool: Spool) -> None:
    """Each by itself."""
    fill(spool, *(an_event(severity="no such severity" if number % 3 else "error") for number in range(60)))

    done = drain(spool)

    assert (done.stored, done.quarantined) == (20, 40)


def test_one_drains_at_a_time(spool: Spool) -> None:
    """A second process, or thread, finds the spool taken and does nothing."""
    fill(spool, an_event())

    with drain_lock(spool) as is_ours, drain_lock(spool) as is_theirs:
        assert (is_ours, is_theirs) == (True, False)
        assert drain(spool) == Drained()

    assert drain(spool).stored == 1


def test_the_lock_is_free_though_a_child_was_forked_under_it(spool: Spool) -> None:
    """The child holds the same open file; it must not keep the spool from being drained for its whole life."""
    fill(spool, an_event())
    with drain_lock(spool):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        os.close(reader)
    try:
        with drain_lock(spool) as is_ours:
            assert is_ours
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def test_the_lock_file_is_private_and_no_link(spool: Spool, tmp_path: Path) -> None:
    """As all files of the spool."""
    spool.directory.mkdir(mode=0o700)
    lock_path(spool).symlink_to(tmp_path / "elsewhere")
    fill(spool, an_event())

    with pytest.raises(OSError, match=r"drain\.lock"):
        drain(spool)

    assert not (tmp_path / "elsewhere").exists()


def test_the_reserve_is_drained_as_rows_and_counts(tmp_path: Path) -> None:
    """The first of a fingerprint is an occurrence, the others are counted on its issue."""
    spool = Spool(tmp_path / "spool", max_bytes=10)
    fill(spool, an_event(fingerprint="a" * 64))
    spool = Spool(tmp_path / "spool", max_bytes=10)
    event = an_event(fingerprint="b" * 64)
    for _number in range(5):
        spool.append(encode(event), key=event.fingerprint, stub=lambda: encode(event))

    drain(spool)

    found = OperationalIssue.objects.values_list("fingerprint", "occurrence_count", "discarded_count")
    assert set(found) == {("a" * 64, 1, 0), ("b" * 64, 1, 4)}
    assert spool.is_empty()


def test_what_the_reserve_counts_later_is_added(spool: Spool) -> None:
    """The stub is stored once, each further failure counted once."""
    event = an_event()

    for more in (3, 2):
        for _number in range(more):
            spool.reserve.take_in(key="k", stub=encode(event), reason="spool full")
        drain(spool)

    assert (OperationalIssue.objects.get().occurrence_count, Occurrence.objects.count()) == (1, 1)
    assert OperationalIssue.objects.get().discarded_count >= 3


def test_a_bad_stub_stops_no_other(spool: Spool) -> None:
    """Junk in the reserve is set aside; the rest of it is stored."""
    spool.reserve.take_in(key="bad", stub=encode(an_event(severity="no such severity")), reason="r")
    spool.reserve.take_in(key="junk", stub=b"junk", reason="r")
    spool.reserve.take_in(key="good", stub=encode(an_event()), reason="r")

    drain(spool)

    assert OperationalIssue.objects.get().occurrence_count == 1
    assert spool.quarantine_count() == 2
    assert spool.is_empty()


def test_a_reserve_that_can_not_be_read_stops_nothing(spool: Spool) -> None:
    """The records are drained all the same."""
    fill(spool, an_event())
    spool.reserve.path.unlink()
    spool.reserve.path.symlink_to("/nowhere")

    with drain_lock(spool):
        assert drain_batch(spool).stored == 1
        drain_reserve(spool)


def test_the_sound_records_of_a_damaged_spool_are_drained(tmp_path: Path) -> None:
    """And those that came after the damage."""
    bodies = [encode(an_event()).decode() for _number in range(30)]
    path = spools.filled(tmp_path / "spool", bodies)
    os.truncate(path, path.stat().st_size // 2)
    spool = Spool(tmp_path / "spool")
    fill(spool, an_event(fingerprint="a" * 64))

    drain(spool)

    assert OperationalIssue.objects.get(fingerprint="a" * 64).occurrence_count == 1
    assert 14 <= OperationalIssue.objects.get(fingerprint="f" * 64).occurrence_count <= 15
    assert spool.is_empty()


def test_a_damaged_record_is_put_into_quarantine(spool: Spool) -> None:
    """The sound ones round it are stored."""
    fill(spool, *(an_event() for _number in range(20)))
    content = bytearray(spool.path.read_bytes())
    content[len(content) // 2] ^= 1
    spool.path.write_bytes(content)

    done = drain(spool)

    assert (done.records, done.stored, done.quarantined) == (20, 19, 1)
    assert [reason for _body, reason, _at in spool.quarantined()] == ["unreadable: its bytes are damaged"]
    assert spool.is_empty()


def _raising(error: type[BaseException]) -> Any:
    def raise_it(*_args: object, **_kwargs: object) -> None:
        raise error

    return raise_it


def test_a_failure_keeps_the_release_in_which_it_happened(settings: SettingsWrapper) -> None:
    """What waits in the spool over a deploy is not blamed on the next release."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RELEASE": "1.0"}
    with transaction.atomic():
        report("No showtimes found")
        settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RELEASE": "1.1"}

    drain()

    assert Occurrence.objects.get().release == "1.0"
