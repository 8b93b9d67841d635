"""Plays the chosen modes with the chosen collectors on the chosen pools, and prints the coverage.

`--write` puts it into docs/coverage.md; what was not played this time stays there as it was found before.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matrix.settings")
django.setup()

from . import again, collectors, elsewhere, page, runs  # noqa: E402  the table holds tasks, which need Django
from .mode import POOLS  # noqa: E402
from .modes import TABLE  # noqa: E402

FINDINGS = Path(__file__).resolve().parent.parent / "docs" / "coverage.json"


def main(arguments: list[str]) -> int:
    """Play, print, and write when asked to; returns 1 when the app has a fault that is not allowed at all."""
    chosen = _parsed(arguments)
    modes = [mode for mode in TABLE.values() if not chosen.modes or mode.id in chosen.modes]
    file = chosen.findings or (FINDINGS if chosen.write and not chosen.elsewhere else None)
    findings = runs.load(file) if file else {}
    with runs.theatre(jobs=chosen.jobs, keep=chosen.keep) as theatre:
        for pool in chosen.pools:
            for name in chosen.collectors:
                begun = time.monotonic()
                outcomes = runs.run(theatre, collectors.BY_NAME[name], pool, modes)
                findings.setdefault(name, {}).setdefault(pool, {}).update(
                    runs.as_json(outcomes, is_compared=collectors.BY_NAME[name] in (collectors.BARE, collectors.OURS))
                )
                sys.stderr.write(f"{name} on {pool}: {time.monotonic() - begun:.0f} s\n")
                if file:
                    runs.store(file, findings)
            if chosen.again:
                count = again.play_again(theatre, pool, modes, findings)
                sys.stderr.write(f"{count} modes on {pool} played again\n")
                if file:
                    runs.store(file, findings)
    print(page.report(findings))
    if chosen.write and chosen.elsewhere:
        elsewhere.add(chosen.elsewhere, findings)
        page.write(runs.load(FINDINGS))
    elif chosen.write:
        page.write(findings)
    return int(bool(page.unforgivable(findings)))


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m matrix", description=__doc__)
    pools, names = [*POOLS, runs.CALLER], [collector.name for collector in collectors.ALL]
    parser.add_argument("--pools", nargs="+", choices=pools, default=pools, metavar="POOL", help=", ".join(pools))
    parser.add_argument("--collectors", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--modes", nargs="+", choices=list(TABLE), metavar="ID", help="by id; all when not given")
    parser.add_argument("--jobs", type=int, default=4, help="groups of modes that play at once (4)")
    parser.add_argument("--keep", type=Path, help="keep logs and databases in this directory")
    parser.add_argument(
        "--findings", type=Path, help=f"the JSON file that keeps what runs find (--write: {FINDINGS.name})"
    )
    parser.add_argument(
        "--no-again", dest="again", action="store_false", help="do not play what differs from bare Celery again"
    )
    parser.add_argument(
        "--elsewhere", metavar="WHERE", help='with --write: as a line of its own, such as "Celery 5.5.3"'
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/coverage.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
