"""`python -m tests.audit`: hold what is installed against the database of known faults, where that can be reached.

pip-audit calls a package that its service does not know "skipped", and a service that answers for none is one that was
not reached: then this says so and ends with 0. It ends with 1 when a fault is known.
"""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = ["pip_audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]


def main() -> int:
    """Print what is known to be at fault; returns the exit code."""
    done = subprocess.run([sys.executable, "-m", *COMMAND], capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        found = []
    looked_at = [package for package in found if "skip_reason" not in package]
    if not looked_at:
        print("pip-audit: its database was not reached; nothing is known of the dependencies")
        return 0
    known = [f"{package['name']} {fault['id']}" for package in looked_at for fault in package["vulns"]]
    print(f"pip-audit: {len(looked_at)} packages looked at, {len(known)} known faults: {', '.join(known) or 'none'}")
    return int(bool(known))


if __name__ == "__main__":
    sys.exit(main())
