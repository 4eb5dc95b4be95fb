"""Folders and files that only the service's user may read."""

import os
from contextlib import suppress
from pathlib import Path


def make_private(path: Path) -> None:
    """Create the folder `path` and its missing parents with mode 0700. Raises OSError.

    Folders that exist keep their mode.
    """
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode=0o700, exist_ok=True)


def open_private(path: str, flags: int) -> int:
    """Open a file, with mode 0600 if it is created: an `opener` for open(). Raises OSError.

    Files that exist keep their mode.
    """
    return os.open(path, flags, 0o600)


def make_private_file(path: Path) -> None:
    """Create an empty file with mode 0600 unless it exists.

    Raises nothing: whoever opens the file next says better why it cannot be created.
    """
    with suppress(OSError):
        open(path, "xb", opener=open_private).close()
