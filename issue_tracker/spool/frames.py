"""The format of a file of records: a head, then frames of mark, length, checksum and body. Left of the seam; pure.

Guarantee: whatever was done to the bytes, reading ends, every sound frame is found, and what is none is told apart: a
frame that was never written to its end (its process was killed) from one whose bytes were changed.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK: Final = b"\xff\xfeR\n"
"""Begins each frame. No part of UTF-8, so that no JSON holds it."""
MAX_BODY_BYTES: Final = 1024 * 1024
"""A longer length is damage; records have 256 KiB at most."""
CHUNK_BYTES: Final = 2 * (MAX_BODY_BYTES + 1024)
"""Read at once: at least one frame."""

_FRAME: Final = struct.Struct("<4sII")
_HEAD: Final = struct.Struct("<8sQQI4x")
"""What it is, when it was made, how far it is drained, the checksum of these, and zeros, which begin no frame: one that
is appended to a head cut short can't complete it."""
_KIND: Final = b"ISSUES\r\n"
HEAD_BYTES: Final = _HEAD.size


class Frame(NamedTuple):
    """What stands between two places of a file."""

    body: bytes
    end: int
    """Place in the file where the next one begins."""
    flaw: str = ""
    """What is wrong with it: "torn" by a kill, "damaged" by somebody else; empty for a sound one."""


class Head(NamedTuple):
    """How a file begins."""

    made_at: int
    """Nanoseconds since the epoch: tells a file from the one that took its place."""
    drained: int
    """Place up to which everything is acknowledged."""


def frame_of(body: bytes) -> bytes:
    """Return the bytes that stand for a body."""
    return _FRAME.pack(MARK, len(body), zlib.crc32(body)) + body


def head_bytes(made_at: int, drained: int = HEAD_BYTES) -> bytes:
    """Return the bytes with which a file begins."""
    checksum = zlib.crc32(_HEAD.pack(_KIND, made_at, drained, 0))
    return _HEAD.pack(_KIND, made_at, drained, checksum)


def head_of(fd: int) -> Head | None:
    """Read how a file begins; None where that was damaged, or the file cut."""
    content = os.pread(fd, HEAD_BYTES, 0)
    if len(content) < HEAD_BYTES:
        return None
    _kind, made_at, drained, _checksum = _HEAD.unpack(content)
    # The size after the head: while others append and drain, it may only have grown.
    is_sound = content == head_bytes(made_at, drained) and HEAD_BYTES <= drained <= os.fstat(fd).st_size
    return Head(made_at, drained) if is_sound else None


def write_head(fd: int, head: Head) -> None:
    """Note how far a file is drained, by one write within one page. The file must not be open for appending."""
    os.pwrite(fd, head_bytes(*head), 0)


def frames_from(fd: int, place: int) -> Iterator[Frame]:
    """Yield what stands in a file behind a place, in order; a frame that goes on behind the end is left out."""
    while place < os.fstat(fd).st_size:
        before = place
        for frame in _frames_in(os.pread(fd, CHUNK_BYTES, place), place):
            yield frame
            place = frame.end
        if place == before:
            return


def _frames_in(data: bytes, base: int) -> Iterator[Frame]:
    place, size = 0, len(data)
    while place + _FRAME.size <= size:
        mark, length, checksum = _FRAME.unpack_from(data, place)
        begin = place + _FRAME.size
        end = begin + length
        body = data[begin:end]
        if mark == MARK and len(body) == length and zlib.crc32(body) == checksum:
            yield Frame(body, base + end)
            place = end
            continue
        following = data.find(MARK, place + 1)
        is_frame = mark == MARK and length <= MAX_BODY_BYTES
        if is_frame and end <= size and not 0 < following < end:
            yield Frame(body, base + end, "damaged")
            place = end
        elif following > 0:
            yield Frame(data[begin:following], base + following, "torn" if is_frame else "damaged")
            place = following
        elif is_frame or size < CHUNK_BYTES:
            return  # it goes on behind these bytes, or was cut there
        else:
            yield Frame(b"", base + size, "damaged")
            return
