"""A module of a test's own in the sandbox's process: Lambda calls it, and it calls ours."""

from pathlib import Path
from typing import Any


def guest(folder: Path, source: str) -> dict[str, Any]:
    """Keep the module in `folder`; return the options of an Emulator that calls its `handler`."""
    beside = folder / "guest"
    beside.mkdir()
    (beside / "guest.py").write_text(source)
    return {"handler": "guest.handler", "beside": beside}
