"""The folder in which the workers of a server share their counts.

A worker takes a slot of it, not a file by its process id: the worker that replaces it continues
its file, so that no count is lost and the number of files does not grow.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from mmap import mmap
from pathlib import Path

from app.metrics.table import BYTES

FOLDER_VARIABLE = "_KEYSTEAD_METRICS_FOLDER"
_PREFIX = "keystead-metrics-"
# A folder that is being made has no lock yet.
_NEW_SECONDS = 60
_MOST_WORKERS = 1_000


@contextmanager
def shared_folder() -> Iterator[None]:
    """Name a new private folder in FOLDER_VARIABLE for workers that start in the block.

    Deletes it afterwards, and folders of servers that were killed. Raises OSError if no temporary
    folder can be written to.
    """
    _delete_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER_VARIABLE] = folder
        try:
            with _lock(Path(folder) / "server.lock"):
                yield
        finally:
            del os.environ[FOLDER_VARIABLE]


@contextmanager
def slot(folder: Path) -> Iterator[mmap]:
    """Give the memory of a file of `folder` that no other worker writes. Raises OSError."""
    with ExitStack() as stack:
        numbers = range(_MOST_WORKERS)
        number = next((n for n in numbers if _take(folder / f"{n}.lock", stack)), None)
        if number is None:
            raise OSError(f"more than {_MOST_WORKERS} workers")
        path = folder / f"{number}.table"
        if not path.exists():
            # Its blocks are allocated: a process that writes to a page of a mapped file for which
            # the disk has no room is killed.
            draft = path.with_suffix(".draft")
            draft.write_bytes(bytes(BYTES))
            draft.rename(path)
        with path.open("r+b") as file:
            memory = mmap(file.fileno(), BYTES)
        # It is not closed: the counts may still be in use, and the process ends soon.
        yield memory


def read_slots(folder: Path) -> list[bytes]:
    """Return the contents of the files of all workers."""
    return [path.read_bytes() for path in sorted(folder.glob("*.table"))]


def _take(file: Path, stack: ExitStack) -> bool:
    try:
        stack.enter_context(_lock(file))
    except TimeoutError:
        return False
    return True


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    """Hold a lock that ends with the process. Raises TimeoutError if another one has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise TimeoutError(str(error)) from None
    try:
        yield
    finally:
        lock.release()


def _delete_abandoned(parent: Path) -> None:
    """Delete the folders whose server and workers have ended without deleting them."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if not _is_own_folder(folder) or time.time() - folder.stat().st_mtime < _NEW_SECONDS:
                continue
            with ExitStack() as stack:
                for file in folder.glob("*.lock"):
                    stack.enter_context(_lock(file))
            shutil.rmtree(folder)
        except OSError:
            continue  # in use (TimeoutError is one), or another user's


def _is_own_folder(path: Path) -> bool:
    """Return whether `path` is a folder of this process's user, and no link to one.

    Anybody may put names into the folder for temporary files.
    """
    found = path.lstat()
    is_own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return stat.S_ISDIR(found.st_mode) and is_own
