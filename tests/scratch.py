"""Where a run keeps its files: databases, servers' folders, copies of the project."""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
BYTES = 4 * 2**30


def use_memory() -> None:
    """Keep temporary files in memory where there is room, unless TMPDIR says where.

    A run makes thousands of databases and deletes them: on a disk the kernel spends a fifth of the
    run's time on writing them. No test needs files that outlive the machine.
    """
    if "TMPDIR" not in os.environ and is_roomy(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def is_roomy(folder: Path) -> bool:
    """Return whether `folder` has 4 GiB left, and programs may be started from there."""
    if not os.access(folder, os.W_OK | os.X_OK) or shutil.disk_usage(folder).free < BYTES:
        return False
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC
