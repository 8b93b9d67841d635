"""Directories and files that belong to this user alone: the defence against a directory planted by somebody else.

Left of the seam; standard library only.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class PrivateDirectoryError(OSError):
    """The directory can't be trusted or used; the text says why and what to do."""


def prepare_directory(directory: Path) -> None:
    """Create the directory with mode 0700, or check the one that is there.

    Raises PrivateDirectoryError when it is a symlink, belongs to another user, or others may write to it; also when
    another user made a directory on the way to it where anybody may (/tmp, /var/tmp).
    """
    try:
        _check_parents(directory)
        os.makedirs(directory.parent, mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(directory, mode=0o700)
        _check(directory)
    except PrivateDirectoryError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise PrivateDirectoryError(
            f"{directory} can't be created: {reason}. Set SPOOL_DIR to a directory this user may write to."
        ) from error


def problem_of(directory: Path) -> str:
    """Say what is wrong with the directory, as a sentence with a hint; empty when it can be used."""
    try:
        prepare_directory(directory)
        if not os.access(directory, os.W_OK | os.X_OK):
            return (
                f"{directory} can't be written to. Give it to this user (chown), or set SPOOL_DIR to another directory."
            )
    except PrivateDirectoryError as error:
        return str(error)
    return ""


def create_private_file(path: Path) -> None:
    """Create the file with mode 0600 if it isn't there.

    Raises PrivateDirectoryError when it is a symlink or cannot be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise PrivateDirectoryError(
            f"{path} can't be opened: {error.strerror}. Check its owner and the free disk, or set SPOOL_DIR."
        ) from error


def _check_parents(directory: Path) -> None:
    for parent in directory.parents:
        above = parent.parent
        if not parent.exists() or not os.stat(above).st_mode & stat.S_IWOTH:
            continue  # not there yet, or only those who own the directory above could have made it
        owner = os.lstat(parent).st_uid
        if owner not in {os.getuid(), 0}:
            raise PrivateDirectoryError(
                f"{parent} was made by user id {owner} where anybody may make one. Remove it, or set another SPOOL_DIR."
            )


def _check(directory: Path) -> None:
    status = os.lstat(directory)
    if stat.S_ISLNK(status.st_mode) or not stat.S_ISDIR(status.st_mode):
        raise PrivateDirectoryError(
            f"{directory} is not a directory of its own (a symlink or a file). Remove it, or set SPOOL_DIR."
        )
    if status.st_uid != os.getuid():
        raise PrivateDirectoryError(
            f"{directory} belongs to user id {status.st_uid}, this process runs as {os.getuid()}. "
            "Give each user its own SPOOL_DIR."
        )
    if status.st_mode & 0o022:
        raise PrivateDirectoryError(
            f"Others may write to {directory}. Run chmod 700 on it, or set SPOOL_DIR to another directory."
        )
