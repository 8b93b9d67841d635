"""Faults on purpose, seeded and bounded: what was injected, what was captured, what was lost (`python -m chaos`)."""
