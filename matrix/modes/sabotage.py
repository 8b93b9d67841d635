"""Tasks that break their own process before they fail: what a collector leans on is gone."""

from __future__ import annotations

import builtins
import json
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import uuid
import warnings
from pathlib import Path
from typing import Any

from matrix.expectations import failed
from matrix.mode import FRESH, PREFORK, mode


class RaisingHandler(logging.Handler):
    """A handler of the host's that raises."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the host's log handler")


def _lacks_root() -> str:
    return "" if os.geteuid() == 0 else "needs to be root"


def _raise(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("patched by the task")


@mode(
    "44a",
    "turns warnings into errors",
    failed("ValueError", "DeprecationWarning", "RuntimeWarning", shows="in warning_filters"),
    **FRESH,
)
def warning_filters(token: str) -> None:
    warnings.simplefilter("error")
    raise ValueError(f"broke {token}")


@mode("44b", "the host's log handler raises", failed("ValueError", "RuntimeError", shows="in log_handler"), **FRESH)
def log_handler(token: str) -> None:
    logging.raiseExceptions = False
    logging.getLogger().addHandler(RaisingHandler())
    raise ValueError(f"broke {token}")


@mode("44c", "logging disabled", failed("ValueError", shows="in logging_disabled"), **FRESH)
def logging_disabled(token: str) -> None:
    logging.disable(logging.CRITICAL)
    raise ValueError(f"broke {token}")


@mode("44d", "closes its stderr and stdout", failed("ValueError", shows="in closes_stderr"), **FRESH)
def closes_stderr(token: str) -> None:
    os.close(1)
    os.close(2)
    sys.stderr = None  # type: ignore[assignment]
    raise ValueError(f"broke {token}")


@mode("44e", "changes its directory, and removes it", failed("ValueError", shows="in changes_directory"), **FRESH)
def changes_directory(token: str) -> None:
    directory = tempfile.mkdtemp()
    os.chdir(directory)
    shutil.rmtree(directory)
    raise ValueError(f"broke {token}")


@mode("44f", "patches json", failed("ValueError", shows="in patches_json"), pools=PREFORK, **FRESH)
def patches_json(token: str) -> None:
    json.dumps = json.loads = _raise
    raise ValueError(f"broke {token}")


@mode("44g", "patches time", failed("ValueError", shows="in patches_time"), pools=PREFORK, **FRESH)
def patches_time(token: str) -> None:
    time.time = time.time_ns = lambda: 0  # type: ignore[assignment]
    raise ValueError(f"broke {token}")


@mode(
    "44h",
    "patches traceback, uuid and random",
    failed("ValueError", shows="in patches_traceback"),
    pools=PREFORK,
    **FRESH,
)
def patches_traceback(token: str) -> None:
    for name in ("format_exception", "format_tb", "print_exc"):
        setattr(traceback, name, _raise)
    uuid.uuid4 = _raise
    random.random = _raise
    raise ValueError(f"broke {token}")


@mode("44i", "no further file may be opened", failed("ValueError", shows="in no_files"), **FRESH)
def no_files(token: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    raise ValueError(f"broke {token}")


@mode(
    "44j",
    "no further byte may be written to a file",
    failed("ValueError", shows="in no_writing"),
    pools=PREFORK,
    **FRESH,
)
def no_writing(token: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    raise ValueError(f"broke {token}")


@mode("44k", "empties its environment", failed("ValueError", shows="in no_environment"), **FRESH)
def no_environment(token: str) -> None:
    os.environ.clear()
    raise ValueError(f"broke {token}")


@mode("44l", "ignores SIGTERM, then fails", failed("ValueError", shows="in deaf"), pools=PREFORK, **FRESH)
def deaf(token: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise ValueError(f"broke {token}")


@mode("44m", "an alarm goes off meanwhile", failed("ValueError", "TimeoutError"), pools=PREFORK, **FRESH)
def alarm(token: str) -> None:
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0002)
    raise ValueError(f"broke {token}")


@mode("44n", "leaves the stack nearly full", failed("ValueError", "RecursionError"), **FRESH)
def low_stack(token: str) -> None:
    sys.setrecursionlimit(120)
    raise ValueError(f"broke {token}")


@mode(
    "44o",
    "removes the temporary directory's name and all modules of its own",
    failed("ValueError", shows="in no_modules"),
    **FRESH,
)
def no_modules(token: str) -> None:
    for name in [name for name in sys.modules if name.startswith("matrix.modes")]:
        del sys.modules[name]
    tempfile.tempdir = "/nowhere"
    raise ValueError(f"broke {token}")


@mode("44p", "starts 50 threads that all fail", failed("KeyError", shows="in _fail"), **FRESH)
def many_threads(token: str) -> str:
    def _fail() -> None:
        raise KeyError(token)

    threads = [threading.Thread(target=_fail) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "done"


@mode("44q", "installs excepthooks that raise", failed("ValueError", shows="in hooks_raise"), **FRESH)
def hooks_raise(token: str) -> None:
    sys.excepthook = threading.excepthook = _raise
    raise ValueError(f"broke {token}")


@mode("44r", "makes all new files unreadable (umask)", failed("ValueError", shows="in umask"), **FRESH)
def umask(token: str) -> None:
    os.umask(0o777)
    raise ValueError(f"broke {token}")


@mode("44s", "removes the collector's spool directory", failed("ValueError", shows="in no_spool"), **FRESH)
def no_spool(token: str) -> None:
    shutil.rmtree(Path(os.environ["SPOOL_DIR"]), ignore_errors=True)
    raise ValueError(f"broke {token}")


@mode(
    "46a", "clears its request", failed("ValueError", shows="in clears_request"), task_options={"bind": True}, **FRESH
)
def clears_request(self: Any, token: str) -> None:
    self.request.clear()
    self.request.id = None
    raise ValueError(f"broke {token}")


@mode("46b", "loses its name", failed("ValueError", shows="in loses_name"), task_options={"bind": True}, **FRESH)
def loses_name(self: Any, token: str) -> None:
    self.name = None
    raise ValueError(f"broke {token}")


@mode(
    "46c",
    "becomes another user",
    failed("ValueError", shows="in other_user"),
    pools=PREFORK,
    lacks=_lacks_root,
    **FRESH,
)
def other_user(token: str) -> None:
    os.setgid(65534)
    os.setuid(65534)
    raise ValueError(f"broke {token}")


@mode(
    "46d",
    "changes its root directory",
    failed("ValueError", shows="in other_root"),
    pools=PREFORK,
    lacks=_lacks_root,
    **FRESH,
)
def other_root(token: str) -> None:
    os.chroot(tempfile.mkdtemp())
    raise ValueError(f"broke {token}")


@mode("46e", "leads a session of its own", failed("ValueError", shows="in own_session"), pools=PREFORK, **FRESH)
def own_session(token: str) -> None:
    os.setsid()
    raise ValueError(f"broke {token}")


@mode(
    "46f",
    "forgets all signal handlers and blocks all signals",
    failed("ValueError", shows="in blocks_signals"),
    pools=PREFORK,
    **FRESH,
)
def blocks_signals(token: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    raise ValueError(f"broke {token}")


@mode("46g", "patches repr", failed("ValueError", shows="in patches_builtins"), pools=PREFORK, **FRESH)
def patches_builtins(token: str) -> None:
    builtins.repr = _raise
    raise ValueError(f"broke {token}")


def _on_alarm(_number: int, _frame: object) -> None:
    raise TimeoutError("alarm")
