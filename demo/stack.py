"""`python -m demo.stack demo|up`: the whole stack on this machine, needing nothing that runs, leaving nothing running.

`demo` starts broker, stand-in upstream and worker over a new SQLite database in .demo/, plays the scenes, prints the
issues and ends with 0; with 1 and the reason when one is missing. `up` starts the same, beat and admin, until Ctrl-C.
Only loopback is listened on. SIGINT, SIGTERM and SIGHUP end it in order: what was started last ends first.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import secrets
import shutil
import signal
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from demo import broker, upstream
from demo.processes import ROOT, Child, StackError, free_port, start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER: Final = Path(os.environ.get("DEMO_FOLDER", ROOT / ".demo")).absolute()
"""Where the stack keeps its files; a folder of each command below it is emptied at every start."""
POLL_SECONDS: Final = 0.1
MAX_ADMIN_START_SECONDS: Final = 30.0
USER: Final = "admin"
WORKER: Final = ("worker", "--concurrency", "2", "--loglevel", "INFO", "--hostname", "demo@%h")


class InterruptedByUserError(Exception):
    """Somebody wants it to end."""


@dataclass(slots=True, kw_only=True)
class Stack:
    """What runs, and where. Everything started through it ends when `ends` is closed, in reverse order."""

    folder: Path
    ends: ExitStack
    is_ended: threading.Event
    env: dict[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)

    def launch(self, name: str, *command: str) -> Child:
        """Start a process that must keep running."""
        child = start(name, command, env=self.env, log=self.folder / f"{name}.log")
        self.ends.callback(child.stop)
        self.children.append(child)
        return child

    def run(self, name: str, *command: str, is_shown: bool = False, more_env: Mapping[str, str] | None = None) -> int:
        """Run a command to its end and return its exit code; its output is shown, or kept in a log."""
        log = None if is_shown else self.folder / f"{name}.log"
        child = start(name, command, env={**self.env, **(more_env or {})}, log=log)
        try:
            while child.is_running:
                self.watch()
            return child.process.wait()
        finally:
            child.stop()

    def manage(self, *command: str, more_env: Mapping[str, str] | None = None) -> None:
        """Run a command of manage.py. Raises StackError, with what it said, when it fails."""
        name = command[0]
        if self.run(name, sys.executable, "manage.py", *command, more_env=more_env):
            raise StackError(f"manage.py {name} failed:\n{(self.folder / f'{name}.log').read_text(errors='replace')}")

    def watch(self) -> None:
        """Wait a moment. Raises when somebody wants the end, or when a process ended that must not."""
        if self.is_ended.wait(POLL_SECONDS):
            raise InterruptedByUserError
        for child in self.children:
            if not child.is_running:
                code = child.process.returncode
                raise StackError(
                    f"the {child.name} ended with {code}; see {child.log}. Its last words:\n{child.tail()}"
                )


def main() -> int:
    """Run one of the two commands; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.stack")
    parser.add_argument("command", choices=("demo", "up"))
    parser.add_argument("--port", type=int, default=8000, help="of the admin, if it is free (%(default)s)")
    chosen = parser.parse_args()
    try:
        with _stack(chosen.command) as stack:
            return demo(stack) if chosen.command == "demo" else up(stack, port=chosen.port)
    except InterruptedByUserError:
        say("\nEnded.\n")
        return 0 if chosen.command == "up" else 130
    except StackError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1


def demo(stack: Stack) -> int:
    """Play the scenes and print what was captured; 0 when every expected issue is there."""
    _start_base(stack)
    say(" worker")
    stack.launch("worker", sys.executable, "-m", "celery", "-A", "celery_app", *WORKER)
    say(" ... ready. The tasks run; they take some ten seconds.\n\n")
    code = stack.run("scenes", sys.executable, "manage.py", "play_scenes", is_shown=True)
    if code:
        raise StackError(f"The worker's log is {stack.folder / 'worker.log'}.")
    say("\nTo look at such issues in the admin:  make up\n")
    return 0


def up(stack: Stack, *, port: int) -> int:
    """Start the stack with beat and the admin, play the scenes, and stay until somebody wants the end."""
    port = free_port(preferred=port)
    stack.env["BASE_URL"] = f"http://127.0.0.1:{port}"
    password = secrets.token_urlsafe(9)
    _start_base(stack, more_env={"DJANGO_SUPERUSER_USERNAME": USER, "DJANGO_SUPERUSER_PASSWORD": password})
    say(" worker beat")
    celery = (sys.executable, "-m", "celery", "-A", "celery_app")
    stack.launch("worker", *celery, *WORKER)
    stack.launch("beat", *celery, "beat", "--schedule", str(stack.folder / "beat-schedule"), "--loglevel", "INFO")
    login = f"{_start_admin(stack, port=port)}   user {USER}   password {password}"
    say(f" ... ready.\n\n  {login}\n\nThe tasks run; they take some ten seconds.\n\n")
    stack.run("scenes", sys.executable, "manage.py", "play_scenes", is_shown=True)
    stack.run("history", sys.executable, "manage.py", "make_history", is_shown=True)
    say(f"\nThe worker, beat and the admin stay until Ctrl-C:\n\n  {login}\n\n")
    while True:
        stack.watch()


def say(text: str) -> None:
    """Write to the terminal at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def _stack(command: str) -> Iterator[Stack]:
    is_ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: is_ended.set())
    with ExitStack() as ends:
        yield Stack(folder=ends.enter_context(_fresh_folder(command)), ends=ends, is_ended=is_ended)


@contextmanager
def _fresh_folder(command: str) -> Iterator[Path]:
    """Yield an empty folder of the command's own, which no second run of it may take meanwhile."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (FOLDER / f"{command}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StackError(f"`{command}` runs already in {FOLDER / command}: end that one first.") from error
        shutil.rmtree(FOLDER / command, ignore_errors=True)
        (FOLDER / command).mkdir(mode=0o700)
        yield FOLDER / command


def _start_base(stack: Stack, *, more_env: Mapping[str, str] | None = None) -> None:
    """Start what both commands need: broker, upstream, and a migrated database with the theaters in it."""
    say("Starting: broker")
    served = stack.ends.enter_context(broker.running(stack.folder))
    if served.child:
        stack.children.append(served.child)
    say(" upstream")
    sites = stack.ends.enter_context(upstream.running())
    stack.env = _environment(stack, served, sites.url)
    say(" database")
    stack.manage("prepare", more_env=more_env)


def _environment(stack: Stack, served: broker.Broker, sites: str) -> dict[str, str]:
    """Return what the processes are told: nothing of the caller's own database or broker."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("CELERY_", "DJANGO_"))}
    return {
        **inherited,
        **stack.env,
        "DJANGO_SETTINGS_MODULE": "demo.settings",
        "PYTHONUNBUFFERED": "1",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": f"sqlite:///{stack.folder / 'db.sqlite3'}",
        "SPOOL_DIR": str(stack.folder / "spool"),
        "REDIS_URL": served.url,
        "CELERY_KEY_PREFIX": served.key_prefix,
        "COLOMBIA_COM_URL": sites,
        "TMDB_URL": f"{sites}/3",
        "TMDB_READ_ACCESS_TOKEN": secrets.token_urlsafe(24),
        "UPSTREAM_TIMEOUT_SECONDS": "1",
        "SCRAPE_RETRY_SECONDS": "1",
        "NO_PROXY": ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("NO_PROXY", "")])),
    }


def _start_admin(stack: Stack, *, port: int) -> str:
    """Start the web server and return the admin's address once it answers. Raises StackError."""
    say(" admin")
    place = f"127.0.0.1:{port}"
    if find_spec("gunicorn") and find_spec("whitenoise"):
        command = ["-m", "gunicorn", "demo.wsgi", "--bind", place, "--config", "python:demo.gunicorn_conf"]
    else:
        command = ["manage.py", "runserver", place, "--noreload", "--insecure"]
    stack.launch("admin", sys.executable, *command)
    deadline = time.monotonic() + MAX_ADMIN_START_SECONDS
    while not _answers(f"http://{place}/admin/login/"):
        if time.monotonic() > deadline:
            raise StackError(f"the admin does not answer; see {stack.folder / 'admin.log'}")
        stack.watch()
    return f"http://{place}/admin/"


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):  # a URLError, a timeout, an answer cut short
        return False


if __name__ == "__main__":
    sys.exit(main())
