"""What a machine may lack: a browser, a container engine. Each is found, or its absence is told with the reason."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path


@functools.cache
def chromium() -> Path:
    """Return the path of a Chromium of this machine; raise LookupError when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return Path(found)
    raise LookupError("no Chromium on this machine")


@functools.cache
def container_engine() -> str:
    """Return the version of the container engine; raise LookupError when none answers."""
    if shutil.which("docker") is None:
        raise LookupError("no container engine on this machine")
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise LookupError("no container engine answers on this machine")
    return done.stdout.strip()
