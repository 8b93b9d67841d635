"""The grouping key: one bug gives one key whatever its ids, two bugs give two."""

from __future__ import annotations

import base64
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.fingerprint import (
    MAX_MESSAGE_CHARACTERS,
    MAX_NORMALISED_CHARACTERS,
    VERSION,
    fingerprint,
    normalise,
    parts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[random.Random], object]

START = datetime(2024, 1, 1, tzinfo=UTC)
TITLES = (
    "Avatar",
    "The Lord of the Rings",
    "Amélie",
    "Ocean's Eleven",
    "2001: A Space Odyssey",
    'The "Burbs"',
    "X",
    "",
)


def hexes(length: int) -> Draw:
    """Draw hexadecimal texts of a length, those of digits only and of letters only among them."""
    return lambda r: "".join(r.choices("0123456789abcdef", k=length))


def moment(r: random.Random) -> datetime:
    """Draw a moment within thirty years."""
    return START + timedelta(seconds=r.randrange(10**9), microseconds=r.choice((0, 5, 999_999)))


def token(r: random.Random) -> str:
    """Draw random bytes as base64."""
    return base64.b64encode(r.randbytes(r.randrange(24, 400))).decode()


def title(r: random.Random) -> str:
    """Draw a film's title."""
    return r.choice(TITLES)


def celery_gave_up(r: random.Random) -> str:
    """Write what MaxRetriesExceededError says, for any arguments."""
    args = tuple(r.choice((r.randrange(10**6), title(r))) for _ in range(r.randrange(4)))
    return f"Can't retry cinema.tasks.sync[{uuid.UUID(int=r.getrandbits(128))}] args:{args} kwargs:{ {'on': title(r)} }"


VARIED: dict[str, Draw] = {
    "Movie {} not found": lambda r: r.randrange(10**9),
    "Balance is {} now": lambda r: r.randrange(-(10**6), 10**6),
    "Order #{}: no such row": lambda r: r.randrange(10**6),
    "theater_id={}&page": lambda r: r.randrange(10**4),
    "theater{} is closed": lambda r: r.randrange(10**4),
    "poster_{}_small.jpg is missing": lambda r: r.randrange(10**4),
    "No user {} here": lambda r: uuid.UUID(int=r.getrandbits(128)),
    "No user {} here, sir": lambda r: uuid.UUID(int=r.getrandbits(128)).hex,
    "Commit {} is unknown": hexes(40),
    "Object {}": hexes(24),
    "Object {} is gone": hexes(8),
    "Blob({}) refused": hexes(64),
    "At <cinema.Movie object at {}>": lambda r: hex(r.getrandbits(47)),
    "Mail to {} bounced": lambda r: f"u{r.randrange(10**6)}.{r.choice('abc')}+x@mail{r.randrange(9)}.example.com",
    "Bad title {!r} in row": title,
    "{!r}": title,
    'No theater "{}", sorry': lambda r: title(r).replace('"', ""),
    "Unknown column `{}`": lambda r: f"c{r.randrange(99)}",
    "“{}” value must be an integer.": title,
    "Wrong {!r} given": lambda r: [title(r) for _ in range(r.randrange(1, 5))],
    "Wrong rows {!r}": lambda r: [r.randrange(10**5) for _ in range(r.randrange(1, 9))],
    "No showtimes on {}": lambda r: moment(r).date(),
    "No showtimes since {}.": lambda r: moment(r).replace(microsecond=5).isoformat(),
    "No showtimes at {}": lambda r: moment(r).time(),
    "Late since {}": lambda r: moment(r).strftime("%a, %d %b %Y %H:%M:%S GMT"),
    "Late by {}": lambda r: moment(r).strftime("%d %B %Y"),
    "Late for {}": lambda r: moment(r).strftime("%B %-d, %Y"),
    "Doors open at {}": lambda r: moment(r).strftime("%-I:%M %p"),
    "connect to {} failed": lambda r: f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}",
    "connect to {} refused": lambda r: f"192.168.0.{r.randrange(256)}:{r.randrange(1024, 65536)}",
    "connect to [{}] failed": lambda r: ":".join(f"{r.randrange(65536):x}" for _ in range(8)),
    "link {} is down": lambda r: "02:" + ":".join(f"{r.randrange(256):02x}" for _ in range(5)),
    "Cannot write {}": lambda r: f"/tmp/tmp{''.join(r.choices('abcdefghijklmnopqrstuvwxyz0123456789_', k=8))}/out.csv",
    "Cannot open {} again": lambda r: f"/var/folders/zz/{hexes(6)(r)}/T/x{r.randrange(99)}",
    "GET {} failed": lambda r: f"https://{r.choice('abc')}.example.com:{r.randrange(1, 9999)}/m/{quote(title(r))}",
    "Max retries exceeded with url: {} (Caused by ResponseError)": lambda r: (
        f"/3/search/movie?query={title(r)[:2].strip()}"
    ),
    "Not Found for url: {}": lambda r: (
        f"http://localhost:{r.randrange(1, 9999)}/movie/{r.randrange(9999)}?api_key=[scrubbed]"
    ),
    "Bad token {} in header": token,
    "took {} too long": lambda r: f"{r.random() * 1000:.3f}s",
    "waited for {} in vain": lambda r: r.choice(("1 second", "30 seconds", "250 ms", "1.5 minutes", "2h")),
    "File of {} is too big": lambda r: r.choice(("12 KB", "1.5 MiB", "900 bytes", "3GB")),
    "Disk is {} full": lambda r: f"{r.randrange(101)}%",
    "Rate {} is odd": lambda r: r.choice((1e-9, 2.5e20, -3.25, 1_000_000.5)),
    "Worker exited prematurely: signal 9 (SIGKILL) Job: {}.": lambda r: r.randrange(10**4),
    "{}": celery_gave_up,
    "Payload {} " + "could not be read and so on and on " * 40: lambda r: "x1" * r.randrange(1, 200),
    "Unclosed '{}": lambda r: "data " * r.randrange(400, 2000),
}


@pytest.mark.parametrize("template", VARIED)
def test_one_bug_with_a_thousand_ids_is_one_message(template: str) -> None:
    """What differs from one failure to the next leaves no trace in the key."""
    r = random.Random(template)

    found = {normalise(template.format(VARIED[template](r))) for _ in range(1000)}

    assert len(found) == 1, sorted(found)[:5]
    assert found != {""}


DIFFERENT: list[tuple[str, str]] = [
    ("Movie 5 not found", "Theater 5 not found"),
    ("theater5 is closed", "movie5 is closed"),
    ("404 Client Error: Not Found for url: http://x/a", "403 Client Error: Forbidden for url: http://x/a"),
    ("Server returned HTTP 500", "Server returned HTTP 503"),
    ("Unexpected status 404", "Unexpected status 502"),
    ("status_code=404", "status_code=500"),
    ("HTTP Error 404: x", "HTTP Error 500: x"),
    ("Client error '404 Not Found' for url 'http://x'", "Client error '403 Forbidden' for url 'http://x'"),
    ("404, message='Not Found', url='http://x'", "500, message='Internal Server Error', url='http://x'"),
    ("[Errno 111] Connection refused", "[Errno 113] No route to host"),
    ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", "Worker exited prematurely: signal 11 (SIGSEGV) Job: 3."),
    ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", "Worker exited prematurely: exitcode 1 Job: 3."),
    ("(1062, \"Duplicate entry '5' for key 'x'\")", "(1048, \"Column 'x' cannot be null\")"),
    ("(2006, 'Server has gone away')", "(2013, 'Lost connection to server during query')"),
    ("['This field cannot be blank.']", "['Enter a valid URL.']"),
    ("{'name': ['This field cannot be blank.']}", "{'name': ['Ensure this value is less than 5.']}"),
    ("Command failed:\n  ffmpeg: not found", "Command failed:\n  disk is full"),
    ("list index out of range", "tuple index out of range"),
    ("added", "faced"),
    ("Can't retry cinema.tasks.sync[5] args:() kwargs:{}", "Can't retry cinema.tasks.scrape[5] args:() kwargs:{}"),
    ("save_showtimes_for_theater failed", "download_posters_of_movies failed"),
    ("SomeVeryLongExceptionClassNameHandler", "OtherVeryLongExceptionClassNameHandler"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_bugs_stay_apart(one: str, other: str) -> None:
    """Words matter, and so does a number that the text calls a status."""
    assert normalise(one) != normalise(other)


EXAMPLES: list[tuple[str, str]] = [
    ("", ""),
    ("   \n \n", ""),
    ("\n\n  first\nsecond", "first"),
    ("division by zero", "division by zero"),
    ("'title'", "*"),
    ("It isn't the user's fault", "It isn't the user's fault"),
    ("invalid literal for int() with base 10: 'abc'", "invalid literal for int() with base #: *"),
    ("a  b\tc", "a b c"),
    ("Order #5 of user_55", "Order # of user_#"),
    ("file line12 in v1.2.3", "file line# in #"),
    ("mail me@example.com or http://x.y/z", "mail #@# or #url#"),
    ("HTTP 500 for 500 rows", "HTTP 500 for # rows"),
    ("exit status 137", "exit status 137"),
    ("from /app/media/2024/poster.jpg", "from /app/media/#/poster.jpg"),
    ("('No such movie here', 5)", "(No such movie here, #)"),
    ("('a title', 5)", "(*, #)"),
    ("[Errno 2] No such file: '/data/The Lord of the Rings.mkv'", "[Errno #] No such file: *"),
    ("[scrubbed]", "[scrubbed]"),
    ("x" * 300, "x" * 255 + "…"),
]


@pytest.mark.parametrize(("message", "expected"), EXAMPLES)
def test_a_normalised_message_reads_well(message: str, expected: str) -> None:
    """The marks stand where the values stood."""
    assert normalise(message) == expected


def key(**changes: str) -> str:
    """Return the key of a failure that differs from the usual one in what is given."""
    return fingerprint(**{"task": "t", "exception_type": "ValueError", "culprit": "m:f", "message": "boom", **changes})


@pytest.mark.parametrize("changed", ["task", "exception_type", "culprit", "message"])
def test_every_piece_counts(changed: str) -> None:
    """The task, the type, the culprit and the message each tell issues apart."""
    assert key(**{changed: "other"}) != key()


def test_a_key_is_64_hexadecimal_characters_and_the_same_for_ever() -> None:
    """A stored key is found again by every later release with this VERSION; a change of the rules must raise it."""
    assert VERSION == 1
    assert key() == "a0c0e1860f7d2fa6eef8c010e52678668259a8c1d6eef8840caf5a6ff0177b63"
    assert key(message="Movie 5 not found") == key(message="Movie 6 not found")


def test_no_text_reaches_into_the_next_piece() -> None:
    """Pieces are told apart by their length, not by a separator that a text might hold."""
    assert key(task="a", exception_type="bc") != key(task="ab", exception_type="c")
    assert key(task="1:a", exception_type="") != key(task="", exception_type="1:a")


def test_parts_explain_the_key() -> None:
    """What a person is shown is what was hashed."""
    found = parts(task="t", exception_type="ValueError", culprit="m:f", message="Movie 5 of 'x'")

    assert found == {
        "version": str(VERSION),
        "task": "t",
        "exception_type": "ValueError",
        "culprit": "m:f",
        "message": "Movie # of *",
    }


FRAGMENTS = [
    "'", '"', "`", "“", "”", "«", "»", " ", ", ", ": ", "5", "12.5", "abc", "deadbeef", "a1b2", "b'", "'abc'",
    '"x y z"', "http://x/y", "url: ", "/tmp/x", "/a?b", "a@b.c", "status 404", "HTTP 500", "May ", "5 May ", "Mon, ",
    "#", "*", "<", "#url#", "#@#", "…", "/…", "args:(", "args:…", "(", "[", "{", ")", "]", "}", "\\", "-", "+", "_",
    "::", "fe80:", "ms", "seconds", "%", "tmpabcdefgh", "theater5", "A" * 25, "aB1" * 9, "=", "\n", "\0", "é", "²",
    "٣", "x'y", "it's", "0x7f", "2024-05-01T10:00:00Z", "'404 Not Found'", ", message=", "\ud800",
]  # fmt: skip
messages = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=80).map("".join)


@given(messages | st.text())
def test_normalising_twice_changes_nothing(message: str) -> None:
    """A message that was normalised already, as the admin shows it, leads to the same key."""
    once = normalise(message)

    assert normalise(once) == once
    assert len(once) <= MAX_NORMALISED_CHARACTERS


@given(messages, messages, messages, messages)
def test_a_key_never_raises(task: str, exception_type: str, culprit: str, message: str) -> None:
    """Whatever the texts, lone surrogates and NUL among them, there is a key."""
    found = fingerprint(task=task, exception_type=exception_type, culprit=culprit, message=message)

    assert len(found) == 64
    assert set(found) <= set("0123456789abcdef")


PIECES = ["5 ", "'a ", "a", "/?", "http://", "a@", "1.", '"', "A1b", "::", "May ", "\\'", "[", "a.b", "-", "tmp"]


@pytest.mark.parametrize("piece", PIECES)
def test_the_rest_of_a_long_message_is_not_read(piece: str) -> None:
    """What can't be read can't cost: a message of 10 MB has the key of its first thousand characters."""
    whole = piece * (10_000_000 // len(piece))

    assert normalise(whole) == normalise(whole[: MAX_MESSAGE_CHARACTERS + 1])


@pytest.mark.parametrize("piece", PIECES)
def test_a_message_is_read_once(piece: str) -> None:
    """Within what is read, time grows with the length: forty times are allowed for sixteen times the text."""
    short, long = (piece * (size // len(piece)) for size in (MAX_MESSAGE_CHARACTERS // 16, MAX_MESSAGE_CHARACTERS))

    assert quickest(long) < 40 * quickest(short) + 0.0005


def quickest(text: str) -> float:
    """Return the least processor time, in seconds, that a text took, read afresh each time."""
    return min(timed(f"{text[:-6]}{number:06}") for number in range(20))


def timed(text: str) -> float:
    """Return the processor time, in seconds, of one text."""
    before = time.thread_time()
    normalise(text)
    return time.thread_time() - before
