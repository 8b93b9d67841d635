"""Runs: what each process of a worker is running right now, in slots that outlive it. Left of the seam."""

from __future__ import annotations

from .runs import REQUEUED_HEADER, Request, begin, end, is_any_on, is_second_try, request_now, request_of

__all__ = [
    "REQUEUED_HEADER",
    "Request",
    "begin",
    "end",
    "is_any_on",
    "is_second_try",
    "request_now",
    "request_of",
]
