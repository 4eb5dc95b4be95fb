"""Folders that the service makes for what it keeps."""

from pathlib import Path


def make_private(path: Path) -> None:
    """Make the folder `path`, and the missing ones above it, for this user alone; one that is
    there is left as it is. Raises OSError."""
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode=0o700, exist_ok=True)
