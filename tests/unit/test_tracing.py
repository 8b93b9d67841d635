"""Trace ids: there when a span is being recorded, free of charge when OpenTelemetry is not."""

from __future__ import annotations

import subprocess
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import issue_tracker
from issue_tracker.event import decode
from issue_tracker.spool import current
from issue_tracker.tracing import span_ids
from tests.processes import ROOT


def the_context() -> dict[str, object]:
    """Return the context of the last record in the spool."""
    return decode(current().claim(max_records=100, max_bytes=2**20)[-1].body).context


def test_what_is_recorded_in_a_span_names_it() -> None:
    """In hexadecimal, as traces are searched by; and beside what was bound."""
    tracer = TracerProvider().get_tracer("tests")

    with tracer.start_as_current_span("download") as span:
        ids = span.get_span_context()
        issue_tracker.report("No showtimes", context={"theater_id": 5})

    assert the_context() == {
        "trace_id": f"{ids.trace_id:032x}",
        "span_id": f"{ids.span_id:016x}",
        "theater_id": 5,
    }


def test_the_host_s_own_ids_win() -> None:
    """Whoever binds a trace_id means it."""
    with TracerProvider().get_tracer("tests").start_as_current_span("download"):
        issue_tracker.report("No showtimes", context={"trace_id": "mine"})

    assert the_context()["trace_id"] == "mine"


def test_without_a_recording_span_nothing_is_said() -> None:
    """No span, or one that was sampled out: its trace would not be found."""
    assert span_ids() == {}

    with TracerProvider(sampler=ALWAYS_OFF).get_tracer("tests").start_as_current_span("download"):
        assert span_ids() == {}


def test_opentelemetry_is_not_imported() -> None:
    """A host without it pays nothing, one that has it installed and unused as little."""
    code = (
        "import sys\nfrom issue_tracker.tracing import span_ids\nassert span_ids() == {}\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
