"""The coverage matrix: every way a task can die, played against real workers, and what each collector has of it.

`python -m matrix` (`make matrix`). The modes are a table: `matrix/modes/`, one decorated function an entry.
"""
