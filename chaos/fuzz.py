"""`python -m chaos.fuzz TARGET [seconds]`: bytes bred by atheris until something that is promised does not hold.

An extra, not a part of any other run: `pip install 'django-issue-tracker[fuzz]'` where atheris has a wheel. A finding
is an exception, with the input that made it in a file `crash-…` of the working directory.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 60
MAX_SECONDS_A_TEXT: Final = 1.0
"""Of CPU for 4 KiB: two hundred times what a text of that size takes."""


def scrub(data: bytes) -> None:
    """Masking never raises, masks nothing twice, and takes no time to speak of."""
    from issue_tracker.scrubber import scrub as masked

    text = data.decode(errors="replace")
    began = time.process_time()
    once = masked(text)
    assert time.process_time() - began < MAX_SECONDS_A_TEXT, "slow"  # noqa: S101  what a fuzzer looks for
    assert masked(once) == once, "masked again"  # noqa: S101


def decode(data: bytes) -> None:
    """Bytes are an event, which encodes again, or they are unreadable; so is an event with one field of any value."""
    from issue_tracker.event import FIELD_NAMES, UnreadableRecordError, encode
    from issue_tracker.event import decode as read

    with suppress(UnreadableRecordError):
        read(encode(read(data)))
    with suppress(UnreadableRecordError, ValueError, RecursionError):
        name = FIELD_NAMES[data[0] % len(FIELD_NAMES)] if data else "name"
        usual = {"event_id": "e", "kind": "failure", "severity": "error", "name": "n", "task": "t"}
        read(encode(read(json.dumps({**usual, name: json.loads(data[1:])}).encode())))


def spool(data: bytes) -> None:
    """Any bytes in the file of records: it is read to its end, and the next record comes."""
    from issue_tracker.spool import Spool

    with tempfile.TemporaryDirectory() as name:
        found = Spool(Path(name) / "spool")
        found.append(b"before", key="k", stub=lambda: b"")
        with found.path.open("r+b") as stream:
            stream.seek(min(len(data), data[0] if data else 0))
            stream.write(data)
        found.claim(max_records=1_000, max_bytes=2**30)
        assert found.append(b"after", key="k", stub=lambda: b""), "refused"  # noqa: S101
        bodies = [record.body for record in found.claim(max_records=1_000, max_bytes=2**30) if not record.flaw]
        assert b"after" in bodies, "lost"  # noqa: S101


def serialize(data: bytes) -> None:
    """Any JSON becomes a tree that is within its bound and encodes."""
    from issue_tracker.serializer import serialize as bounded

    with suppress(ValueError, RecursionError):
        size = len(json.dumps(bounded(json.loads(data)).tree, allow_nan=False))
        assert size < 256 * 1024, "too big"  # noqa: S101


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "scrub": scrub,
    "decode": decode,
    "spool": spool,
    "serialize": serialize,
}


def main(arguments: list[str]) -> None:
    """Breed inputs for a target; atheris ends the process."""
    if not arguments or arguments[0] not in TARGETS:
        raise SystemExit(f"usage: python -m chaos.fuzz TARGET [seconds]; there are {', '.join(TARGETS)}")
    try:
        import atheris
    except ImportError:
        raise SystemExit("no atheris here: pip install 'django-issue-tracker[fuzz]'") from None
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with atheris.instrument_imports(include=["issue_tracker"]):
        django.setup()
        import issue_tracker.event
        import issue_tracker.scrubber
        import issue_tracker.serializer
        import issue_tracker.spool  # noqa: F401  instrumented while they are imported
    seconds = arguments[1] if len(arguments) > 1 else str(SECONDS)
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096"], TARGETS[arguments[0]])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
