"""Which code is the project's own. Left of the seam.

Own is what is neither Python's library, nor Celery's, Django's or this app's, nor installed into site-packages. A
project that is itself installed there (`pip install .` in an image) is known by name: the packages of SETTINGS_MODULE
and ROOT_URLCONF, what was installed together with them, and `ISSUE_TRACKER["OWN_PACKAGES"]`. Other apps of
INSTALLED_APPS don't count: most are libraries, and would be blamed for the project's errors. Nothing here raises.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.signals import setting_changed

from issue_tracker import conf

_LIBRARIES: Final = ("celery", "billiard", "kombu", "vine", "amqp", "django")
"""Never own, even where they are checked out beside the project instead of being installed."""
_LIBRARY_DIRECTORIES: Final = {
    os.path.dirname(os.__file__),
    os.path.realpath(os.path.dirname(os.__file__)),
    os.path.dirname(os.path.dirname(__file__)),
}
"""Python's own library, which a virtual environment may reach by a link, and this app."""

_INSTALLED: Final = re.compile(r"(.*/(?:site-packages|dist-packages|__pypackages__/[^/]+/lib|[^/]+\.egg))/(.+)")


@lru_cache(maxsize=4096)
def is_own_code(filename: str) -> bool:
    """Tell whether a file is the project's own code; see the head of this module for what own means."""
    path = filename.replace("\\", "/")
    if path.startswith("<"):
        return False
    installed = _INSTALLED.fullmatch(path)
    if installed is not None:
        return re.split(r"[/.]", installed[2], maxsplit=1)[0] in own_packages()
    if path.startswith("/") or path[1:3] == ":/":
        return not path.startswith(_library_directories())
    return _is_own_relative(path)


@lru_cache(maxsize=1)
def own_packages() -> frozenset[str]:
    """Return the top-level packages that are the project's own wherever they are installed."""
    names = {name.partition(".")[0] for name in conf.current().own_packages}
    for setting in ("SETTINGS_MODULE", "ROOT_URLCONF"):
        with suppress(Exception):  # the settings may not be configured, and may hold anything
            name = str(getattr(settings, setting) or "").partition(".")[0]
            names |= {name} | _installed_along_with(name)
    return frozenset(names - {"", "django"})


@lru_cache(maxsize=4096)
def module_of(filename: str) -> str:
    """Turn a path into a module's name: a loaded module's, else what sys.path makes of it, else its last parts."""
    path = filename.replace("\\", "/").removesuffix(".py").removesuffix("/__init__")
    tails = [path.removeprefix(root) for root in _roots() if path.startswith(root)]
    names = [tail.replace("/", ".") for tail in sorted(tails, key=len)]
    loaded = (name for name in names if _file_of(name) == filename)
    return next(loaded, names[0] if names else ".".join(path.strip("/").split("/")[-3:]))


def _library_directories() -> tuple[str, ...]:
    checked_out = {os.path.dirname(file) for name in _LIBRARIES if (file := _file_of(name))}
    return tuple(f"{root}/" for root in _LIBRARY_DIRECTORIES | checked_out)


def _is_own_relative(path: str) -> bool:
    """Tell it for a relative path: what Cython writes ("src/lxml/etree.pyx"), seldom the project's own."""
    package = re.split(r"[/.]", path.removeprefix("src/"), maxsplit=1)[0]
    file = _file_of(package)
    return is_own_code(file) if file.startswith("/") else path.endswith(".py")


def _file_of(name: str) -> str:
    """Return the file of a loaded module, or ""; without running what a lazy module runs."""
    with suppress(Exception):
        file = vars(sys.modules[name]).get("__file__")
        return file if isinstance(file, str) else ""
    return ""


def _installed_along_with(name: str) -> set[str]:
    """Return the top-level packages of the distribution that installed a module; none where it is not installed."""
    installed = _INSTALLED.fullmatch(_file_of(name))
    if installed is None:
        return set()
    for record in Path(installed[1]).glob("*.dist-info/RECORD"):
        files = record.read_text("utf-8", "replace").splitlines()
        if any(file.startswith((f"{name}/", f"{name}.py,")) for file in files):
            return {re.split(r"[/.]", file, maxsplit=1)[0] for file in files if ".py," in file}
    return set()


def _roots() -> list[str]:
    here = []
    with suppress(OSError):  # the working directory may have been deleted
        here = [os.getcwd()]
    entries = [*(entry for entry in sys.path if type(entry) is str), *(here if "" in sys.path else [])]
    return [f"{entry.rstrip('/')}/" for entry in entries if entry.startswith("/")]


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting in {"ISSUE_TRACKER", "ROOT_URLCONF", "SETTINGS_MODULE"}:
        own_packages.cache_clear()
        is_own_code.cache_clear()


setting_changed.connect(_forget, dispatch_uid="issue_tracker.own_code", weak=False)
