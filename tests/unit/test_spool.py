"""The spool as one process sees it: order, limits, bounds, quarantine, and files that change under it."""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import override_settings
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from issue_tracker.spool import Spool, SpoolError, bounds, current
from issue_tracker.spool import quarantine as quarantine_module
from issue_tracker.spool import store as spool_module
from tests.spools import put, waiting


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool that nothing was written to yet."""
    return Spool(tmp_path / "spool")


def test_naming_a_spool_touches_no_disk(spool: Spool) -> None:
    """A web process that never fails never makes a file, not even by asking."""
    assert spool.is_empty()
    assert spool.depth() == spool.quarantine_count() == 0
    assert spool.quarantined() == []
    assert not spool.directory.exists()


def test_records_come_back_in_the_order_of_their_appends(spool: Spool) -> None:
    """Oldest first, whole, and once."""
    put(spool, "one", "two", "three")

    assert waiting(spool) == ["one", "two", "three"]
    assert spool.depth() == 3


def test_a_claimed_record_waits_until_it_is_acknowledged(spool: Spool) -> None:
    """A drain that dies between claim and ack loses nothing."""
    put(spool, "one", "two", "three")

    claimed = spool.claim(max_records=10, max_bytes=10_000)
    assert waiting(spool) == ["one", "two", "three"]
    spool.ack(claimed[:2])

    assert waiting(spool) == ["three"]


def test_what_is_appended_meanwhile_survives_the_acknowledgement(spool: Spool) -> None:
    """Also where the spool was empty in between."""
    put(spool, "one")
    batch = spool.claim(max_records=10, max_bytes=10_000)
    put(spool, "two")
    spool.ack(batch)
    put(spool, "three")

    assert waiting(spool) == ["two", "three"]


def test_a_claim_keeps_to_both_limits(spool: Spool) -> None:
    """A batch is bounded in records and in bytes."""
    put(spool, *["x" * 100] * 10)

    assert len(spool.claim(max_records=3, max_bytes=10_000)) == 3
    assert len(spool.claim(max_records=10, max_bytes=450)) == 4


def test_a_claim_returns_one_record_however_big(spool: Spool) -> None:
    """A record above the limit of a batch would otherwise wait for ever."""
    put(spool, "x" * 1_000, "small")

    assert [len(record.body) for record in spool.claim(max_records=10, max_bytes=10)] == [1_000]


def test_threads_share_a_spool(spool: Spool) -> None:
    """Nothing is lost or doubled by eight threads, and each thread's records keep their order."""
    names = [[f"{thread}-{number:03}" for number in range(100)] for thread in range(8)]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda texts: put(spool, *texts), names))

    found = waiting(spool)
    assert sorted(found) == sorted(name for texts in names for name in texts)
    assert [name for name in found if name.startswith("3-")] == names[3]


def test_a_write_changes_the_stamp(spool: Spool) -> None:
    """The drainer sees by two `stat` calls that something is new."""
    before = spool.stamp()
    put(spool, "one")
    after = spool.stamp()

    assert before != after == spool.stamp()


def test_the_reserve_changes_the_stamp_too(spool: Spool) -> None:
    """What only the reserve could take waits for the drainer as well."""
    put(spool, "one")
    before = spool.stamp()
    spool.reserve.take_in(key="k", stub=b"{}", reason="spool full")

    assert spool.stamp() != before


def test_quarantine_keeps_a_record_with_its_reason(spool: Spool) -> None:
    """What can't be stored is kept for a look, and acknowledged like the rest."""
    put(spool, "bad", "good")
    bad, good = spool.claim(max_records=10, max_bytes=10_000)

    spool.quarantine(bad, reason="DataError: value too long")
    spool.ack([bad, good])

    [(body, reason, _at)] = spool.quarantined()
    assert (body, reason) == (b"bad", "DataError: value too long")
    assert spool.quarantine_count() == 1
    assert spool.is_empty()


def test_quarantine_is_bounded_and_counts_what_it_drops(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are kept; each of the others is a counted discard."""
    monkeypatch.setattr(quarantine_module, "MAX_QUARANTINED", 3)
    put(spool, *"abcde")

    for record in spool.claim(max_records=10, max_bytes=10_000):
        spool.quarantine(record, reason="refused")

    assert [body for body, _reason, _at in spool.quarantined()] == [b"e", b"d", b"c"]
    assert spool.reserve.counts() == {"quarantine full": 2}


def test_a_full_spool_reduces_to_stubs_and_counts(tmp_path: Path) -> None:
    """At the bound each key keeps one stub, and every further failure of it is counted."""
    spool = Spool(tmp_path / "spool", max_bytes=40)
    put(spool, "one", "two", "three")
    spool = Spool(tmp_path / "spool", max_bytes=40)  # the bound is looked at when a process begins, then now and then

    assert not put(spool, "four", "four", "five")

    assert waiting(spool) == ["one", "two", "three"]
    assert {(entry.stub, entry.seen) for entry in spool.reserve.entries()} == {
        (b"stub of four", 2),
        (b"stub of five", 1),
    }
    assert spool.reserve.counts() == {"spool full": 3}


def test_the_bound_on_bytes_holds_within_its_rhythm(tmp_path: Path) -> None:
    """Big records fill a spool before their number does."""
    spool = Spool(tmp_path / "spool", max_bytes=1_000_000)

    put(spool, *["x" * 20_000] * 200)

    assert spool.depth() * 20_000 <= 1_000_000 + spool_module.CHECK_EVERY_APPENDS * 20_000
    assert spool.depth() + spool.reserve.counts()["spool full"] == 200


def test_a_full_spool_takes_records_again_once_drained(tmp_path: Path) -> None:
    """Room that the drain made is used by the next append already."""
    spool = Spool(tmp_path / "spool", max_bytes=20)
    put(spool, "one", "two")
    spool = Spool(tmp_path / "spool", max_bytes=20)
    assert not put(spool, "three")

    spool.ack(spool.claim(max_records=10, max_bytes=10_000))

    assert put(spool, "four")
    assert waiting(spool) == ["four"]


def test_a_disk_that_is_nearly_full_is_left_to_the_host(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of the disk is the host's: records are reduced before it is used."""
    monkeypatch.setattr(bounds, "MIN_FREE_SHARE", 1.0)

    assert not put(spool, "one")

    assert spool.reserve.counts() == {"disk full": 1}
    assert not spool.is_empty()


def test_a_drained_file_gives_its_room_back(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one is appended to further, a long one goes: the spool doesn't grow with what has passed through."""
    monkeypatch.setattr(spool_module, "KEPT_BYTES", 20_000)
    for _round in range(5):
        put(spool, *["x" * 1_000] * 12)
        spool.ack(spool.claim(max_records=1_000, max_bytes=10**9))

    assert sum(path.stat().st_size for path in spool._files() if path.exists()) < 20_000 + 13_000


def test_a_long_file_takes_no_more_appends(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it can go once it is drained, also when the drain never catches up; the order stays."""
    monkeypatch.setattr(spool_module, "MAX_FILE_BYTES", 5_000)
    texts = [f"{number}:{'x' * 500}" for number in range(60)]
    drained = []
    for number, text in enumerate(texts):
        put(spool, text)
        if number % 3 == 2:
            batch = spool.claim(max_records=2, max_bytes=10**9)
            drained += [record.body.decode() for record in batch]
            spool.ack(batch)
            assert waiting(spool) == texts[len(drained) : number + 1]
    assert list(spool.directory.glob("records.*"))

    while batch := spool.claim(max_records=7, max_bytes=10**9):
        drained += [record.body.decode() for record in batch]
        spool.ack(batch)

    assert drained == texts
    assert not list(spool.directory.glob("records.*"))


def test_a_removed_file_is_made_anew(spool: Spool) -> None:
    """Somebody cleans up; the next record is stored all the same."""
    put(spool, "gone")
    shutil.rmtree(spool.directory)

    assert put(spool, "kept")
    assert waiting(spool) == ["kept"]


def test_an_acknowledgement_leaves_a_new_file_alone(spool: Spool) -> None:
    """Places in the file that was claimed mean nothing in the one that took its place."""
    put(spool, "one", "two")
    batch = spool.claim(max_records=10, max_bytes=10_000)
    shutil.rmtree(spool.directory)
    put(spool, "three")

    spool.ack(batch)

    assert waiting(spool) == ["three"]


def test_a_failed_quarantine_keeps_the_record(spool: Spool) -> None:
    """The drain is told, and tries again."""
    put(spool, "one")
    (spool.directory / "quarantine").write_text("in the way")
    [record] = spool.claim(max_records=1, max_bytes=100)

    with pytest.raises(SpoolError, match="quarantine"):
        spool.quarantine(record, reason="r")

    assert waiting(spool) == ["one"]


def test_a_raising_stub_leaves_append_quiet(tmp_path: Path) -> None:
    """Not even the fallback may raise into the capture."""
    spool = Spool(tmp_path / "spool", max_bytes=10)
    put(spool, "one")
    spool = Spool(tmp_path / "spool", max_bytes=10)

    def broken() -> bytes:
        raise RuntimeError("no stub")

    assert spool.append(b"two", key="two", stub=broken) is False


@pytest.mark.parametrize(
    ("database", "other"),
    [
        ({"ENGINE": "x.postgresql", "NAME": "host"}, {"ENGINE": "x.postgresql", "NAME": "test_host"}),
        ({"ENGINE": "x.sqlite3", "NAME": "db.sqlite3"}, {"ENGINE": "x.sqlite3", "NAME": "test.sqlite3"}),
        ({"ENGINE": "x", "NAME": "n", "HOST": "a"}, {"ENGINE": "x", "NAME": "n", "HOST": "b"}),
        ({"ENGINE": "x", "NAME": "n", "PORT": 1}, {"ENGINE": "x", "NAME": "n", "PORT": 2}),
    ],
)
def test_each_database_has_a_spool_of_its_own(
    database: dict[str, object], other: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test run can't feed a production table, nor the other way round."""
    monkeypatch.setitem(django_settings.DATABASES, "default", database)
    mine = current()
    assert current() is mine

    monkeypatch.setitem(django_settings.DATABASES, "default", other)

    assert current().directory != mine.directory


@pytest.mark.parametrize(
    ("name", "engine", "is_shared"),
    [("memory", "x.postgresql", True), ("memory.sqlite3", "x.sqlite3", True), (":memory:", "x.sqlite3", False)],
)
def test_only_a_database_in_memory_ties_a_spool_to_its_process(
    name: str, engine: str, is_shared: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's drainer and children must agree on the spool, also where the database's name has the word in it."""
    monkeypatch.setitem(django_settings.DATABASES, "default", {"ENGINE": engine, "NAME": name})
    reader, writer = os.pipe()

    child = os.fork()
    if not child:
        os.write(writer, str(current().directory).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader) as said:
        is_the_same = said.read() == str(current().directory)

    assert is_the_same is is_shared


def test_changed_bounds_are_seen() -> None:
    """A test, or a host, that overrides the bounds gets them, in the same directory."""
    with override_settings(ISSUE_TRACKER={"SPOOL_DIR": "/nowhere", "SPOOL_MAX_BYTES": 5}):
        few = current()
    with override_settings(ISSUE_TRACKER={"SPOOL_DIR": "/nowhere"}):
        assert current().directory == few.directory
        assert current() is not few


class AgainstAList(RuleBasedStateMachine):
    """Whatever is done in whatever order, the spool holds what a list would."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.spool = Spool(self.directory / "spool")
        self.model: list[str] = []
        self.quarantined = 0

    @rule(text=strategies.text(max_size=300))
    def append(self, text: str) -> None:
        assert self.spool.append(text.encode("utf-8", "replace"), key="k", stub=lambda: b"")
        self.model.append(text.encode("utf-8", "replace").decode())

    @rule(limit=strategies.integers(1, 5))
    def drain(self, limit: int) -> None:
        batch = self.spool.claim(max_records=limit, max_bytes=10**6)
        assert [record.body.decode() for record in batch] == self.model[:limit]
        self.spool.ack(batch)
        del self.model[:limit]

    @rule()
    def quarantine_the_first(self) -> None:
        for record in self.spool.claim(max_records=1, max_bytes=1):
            self.spool.quarantine(record, reason="r")
            self.spool.ack([record])
            self.quarantined += 1
            del self.model[0]

    @rule()
    def begin_anew(self) -> None:
        self.spool = Spool(self.spool.directory)

    @invariant()
    def holds_the_same(self) -> None:
        assert waiting(self.spool) == self.model
        assert self.spool.depth() == len(self.model)
        assert self.spool.is_empty() is (not self.model)
        assert self.spool.quarantine_count() == self.quarantined

    def teardown(self) -> None:
        shutil.rmtree(self.directory)


AgainstAList.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
test_a_spool_behaves_like_a_list = AgainstAList.TestCase
