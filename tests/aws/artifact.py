"""The artifact of `sam build`, for the Python and the machine that run the tests."""

import hashlib
import platform
import shutil
import sys
from pathlib import Path

from filelock import FileLock

from infra import build

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".cache" / "lambda"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]


def artifact(driver: str) -> Path:
    """Return the read-only folder of the artifact with that driver; build it if it is missing.

    An artifact that was built from the same files is reused, and others are removed.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    kind = f"{driver}-{PYTHON}"
    folder = CACHE / f"{kind}-{_sources()}"
    with FileLock(CACHE / f"{kind}.lock", timeout=300):
        if not folder.exists():
            for old in CACHE.glob(f"{kind}-*"):
                remove(old)
            draft = CACHE / f"{kind}-draft"
            build.build(draft, driver, ARCHITECTURE, PYTHON)
            for path in (draft, *draft.rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
            draft.rename(folder)
    return folder


def remove(folder: Path) -> None:
    """Remove a read-only folder."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def _sources() -> str:
    """Return a name that depends on the files the artifact is built from."""
    digest = hashlib.sha256()
    for name in (*build.OURS, "infra/build.py", "infra/rds.pem", "requirements/lambda.txt"):
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
