"""A test's own module in the function's process: Lambda calls it, and it calls ours."""

from pathlib import Path
from typing import Any


def guest(folder: Path, source: str) -> dict[str, Any]:
    """Write the module to `folder`; return the options of an Emulator that calls its `handler`."""
    beside = folder / "guest"
    beside.mkdir()
    (beside / "guest.py").write_text(source)
    return {"handler": "guest.handler", "beside": beside}
