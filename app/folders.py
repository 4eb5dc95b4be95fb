"""Folders for the service's files."""

from pathlib import Path


def make_private(path: Path) -> None:
    """Create the folder `path` and its missing parents with mode 0700. Raises OSError.

    Folders that exist keep their mode.
    """
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode=0o700, exist_ok=True)
