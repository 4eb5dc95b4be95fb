"""The contenders' environments, of pinned versions, in .cache."""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"
PINS = ROOT / "requirements"
CACHE = ROOT / ".cache" / "peers"


def python(name: str, *pins: Path) -> Path:
    """Return the Python of an environment with the packages in `pins`; build it if missing."""

    def build(folder: Path) -> None:
        venv.create(folder, with_pip=True, symlinks=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        # The files list all dependencies; older versions of pip miss the hashes of extras.
        files = [option for file in pins for option in ("-r", str(file))]
        command = [*pip, "--no-deps", "--require-hashes", *files]
        subprocess.run(command, check=True, stdout=sys.stderr)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _built(f"{name}-{version}", list(pins), build) / "bin" / "python"


def node(name: str) -> Path:
    """Return the folder of an npm package with its dependencies, Node too; build it if missing."""
    source = PEERS / name

    def build(folder: Path) -> None:
        shutil.copytree(source, folder)
        command = ["npm", "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit"]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)

    return _built(name, sorted(source.iterdir()), build)


def _built(name: str, sources: list[Path], build: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    folder = CACHE / f"{name}-{digest.hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock", timeout=600):
        # Built in its final place: virtual environments cannot be moved.
        done = folder / "done"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            done.touch()
    return folder
