"""The promises P1 to P19, each with its target and the tests that hold it; what is measured is added by the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise of docs/guarantees.md."""

    number: str
    words: str
    target: str
    tests: tuple[str, ...]
    """Files or test ids of pytest."""
    is_played_by_tests: bool = False
    """Whether the chaos run plays the tests too, because no experiment of its own covers it."""


def _of(number: str, words: str, target: str, *tests: str, is_played_by_tests: bool = False) -> Promise:
    return Promise(number=number, words=words, target=target, tests=tests, is_played_by_tests=is_played_by_tests)


PROMISES: Final = (
    _of(
        "P1", "Capture is fast", "receiver p50 ≤ 0.5 ms, p99 ≤ 5 ms, also while the database is frozen",
        "benchmarks/latency.py",
    ),
    _of(
        "P2", "Big input stays cheap", "≤ 50 ms, ≤ 8 MiB more, record within its limit",
        "chaos/experiments/speed.py", "tests/unit/test_walk.py",
    ),
    _of(
        "P3", "Never raises, never changes the task",
        "same state, result, retries and exit code with and without the app",
        "tests/unit/test_guard.py", "tests/acceptance/test_matrix.py", is_played_by_tests=True,
    ),
    _of(
        "P4", "What is raised at a receiver waits for the record",
        "a foreign `BaseException` is kept in, a real one raised after the record is on disk",
        "tests/unit/test_guard.py", "tests/unit/test_hostile_values.py", "tests/unit/test_exceptions.py",
        is_played_by_tests=True,
    ),
    _of(
        "P5", "The host's transaction is untouched",
        "no query of ours in a host transaction; a rollback removes no record",
        "tests/integration/test_inline.py", is_played_by_tests=True,
    ),
    _of(
        "P6", "A database in trouble costs nothing but time",
        "0 lost; first row ≤ 5 s after it is back; 10,000 records ≤ 60 s; < 1 % CPU meanwhile",
        "tests/integration/test_outages.py",
    ),
    _of("P7", "kill -9 anywhere", "0 lost, 0 torn, 0 doubled", "tests/acceptance/test_kills.py"),
    _of(
        "P8", "A task killed in mid-run leaves a row", "within 30 s, or at the next start when all was killed",
        "tests/acceptance/test_worker.py", "tests/unit/test_vanished.py",
    ),
    _of(
        "P9", "Disk full, no inodes, read-only, directory gone",
        "no exception reaches a task; ≥ 1 row a fingerprint and a true count afterwards; a line on stderr meanwhile",
        "tests/unit/test_spool_processes.py", "tests/unit/test_reserve.py",
    ),
    _of(
        "P10", "A corrupt or refused record stops nobody", "set aside, counted, visible; the next one in < 100 ms",
        "tests/unit/test_salvage.py", "tests/integration/test_drain.py",
    ),
    _of(
        "P11", "Counts are exact", "an issue counts its distinct deaths, after replays, kills, two drainers",
        "tests/integration/test_folding_together.py", "tests/integration/test_merging.py",
    ),
    _of(
        "P12", "A storm stays readable",
        "10,000 equal failures: 1 issue; 10,000 different: ≤ 1,000 new issues an hour and one overflow issue",
        "tests/integration/test_folding.py",
    ),
    _of(
        "P13", "Notifications never hurt", "sent right of the seam only; ≤ 5 s; bounded by issue and by hour",
        "tests/integration/test_delivery.py", "tests/integration/test_sending.py", "tests/unit/test_wording.py",
        is_played_by_tests=True,
    ),
    _of(
        "P14", "Secrets stay in",
        "0 canaries in any row, spool file, log, page, export; ≥ 95 % of known formats, ≤ 5 % of look-alikes masked",
        "tests/integration/test_canaries.py", "tests/unit/test_secret_formats.py", "tests/unit/test_scrubber.py",
        is_played_by_tests=True,
    ),
    _of(
        "P15", "Masking is linear", "≤ 50 ms for 64 KiB, ≤ 100 ms for 10 MB, < 2.5 × per doubling",
        "tests/unit/test_patterns.py", "tests/unit/test_scrubber.py",
    ),
    _of(
        "P16", "Only who may, may", "every role × address × action: denied unless granted",
        "tests/integration/test_admin_rights.py", is_played_by_tests=True,
    ),
    _of(
        "P17", "Scale", "list ≤ 300 ms, issue ≤ 200 ms at 1 M occurrences",
        "benchmarks/admin_pages.py", "tests/integration/test_admin_list.py",
    ),
    _of(
        "P18", "Shutdown", "warm shutdown ≤ 0.1 s longer; drainer ends ≤ 5 s after SIGTERM, nothing lost",
        "tests/integration/test_drainer.py",
    ),
    _of("P19", "Soak", "memory + ≤ 5 MiB, open files constant, 0 lost", "chaos/experiments/soak.py"),
)  # fmt: skip
"""In the order of their numbers."""
