"""The project that shows issue_tracker at work: a cinema application on Celery, and what `make demo` and `make up` run.

Imports nothing, so that `python -m demo.upstream` needs the standard library alone.
"""
