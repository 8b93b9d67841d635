"""OpenTelemetry's ids of the span that is being recorded here: the way from a failure to its trace. Left of the seam.

OpenTelemetry is never imported: a process that has a span has loaded it. Without it this costs one look into a dict.
"""

from __future__ import annotations

import sys


def span_ids() -> dict[str, str]:
    """Return {"trace_id", "span_id"} in hexadecimal, as traces are searched by; empty without a recording span.

    Never raises.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    try:
        span = trace.get_current_span()
        found = span.get_span_context()
        if not span.is_recording() or not found.is_valid:
            return {}
        return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}
    except Exception:  # noqa: BLE001  a tracer of another make, or a half-loaded module, must not cost a record
        return {}
