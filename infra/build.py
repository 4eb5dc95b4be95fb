"""Build the artifact for AWS Lambda: the application, its dependencies, and their bytecode.

/var/task is read-only: a module without bytecode is compiled at every cold start.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
OURS = ("handler.py", "app", "migrations")
# pip's names of Lambda's architectures.
PLATFORMS = {"arm64": "aarch64", "x86_64": "x86_64"}
DRIVERS = {
    "postgresql": {"asyncpg"},
    "mysql": {"aiomysql", "pymysql"},
    "sqlite": {"aiosqlite"},
}
# Only fastapi-utils' timing imports it, and there is no wheel for arm64.
NOT_IMPORTED = {"psutil"}
# The command line, tests and documentation of the packages; and pydantic's first version, which
# FastAPI imports only to recognise its models.
USELESS = (
    "bin",
    "*/tests",
    "*/test",
    "app/cli",
    "app/__main__.py",
    "pydantic/v1",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to; is emptied first")
    parser.add_argument("--driver", choices=DRIVERS, default="postgresql")
    parser.add_argument("--architecture", choices=PLATFORMS, default="arm64")
    parser.add_argument("--python", default="3.13", help="of the runtime")
    build(**vars(parser.parse_args()))


def build(folder: Path, driver: str, architecture: str, python: str) -> None:
    """Build into `folder`. Raises SystemExit if the runtime's Python is not installed here."""
    interpreter = find_interpreter(python)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wanted = folder.with_name(f"{folder.name}-requirements.txt")
    wanted.write_text(requirements(driver))
    try:
        install(wanted, folder, PLATFORMS[architecture], python)
    finally:
        wanted.unlink()
    for name in OURS:
        copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "infra" / "rds.pem", folder)
    for pattern in USELESS:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    compile_all(interpreter, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{driver}, {architecture}, Python {python}: {size / 1_000_000:.0f} MB in {folder}")


def find_interpreter(python: str) -> str:
    """Return a Python of that version. Raises SystemExit."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    tool = find_uv()
    known_to_uv = said(tool, "python", "find", python) if tool is not None else None
    for candidate in (shutil.which(f"python{python}"), known_to_uv):
        if candidate and said(candidate, "--version").startswith(f"Python {python}."):
            return candidate
    raise SystemExit(
        f"Python {python} is not here, and bytecode is of one version only: install it (with uv: "
        f"`uv python install {python}`), or name another with --python and in the template"
    )


def find_uv() -> str | None:
    return shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")


def said(*command: str) -> str:
    """Return the output of `command`; an empty text if it failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def requirements(driver: str) -> str:
    """Return the pinned requirements, without the drivers of other databases."""
    others = set().union(NOT_IMPORTED, *DRIVERS.values()) - DRIVERS[driver]
    listed = re.split(r"^(?=\w)", REQUIREMENTS.read_text(), flags=re.MULTILINE)
    return "".join(entry for entry in listed if entry.partition("==")[0] not in others)


def install(wanted: Path, folder: Path, platform: str, python: str) -> None:
    """Install wheels into `folder`, for another machine than this one: nothing is built."""
    what = ["--target", str(folder), "--no-deps", "--require-hashes", "-r", str(wanted)]
    wheels = ["--only-binary", ":all:", "--python-version", python]
    # The runtime is Amazon Linux 2023, with glibc 2.34.
    if (found := find_uv()) is not None:
        tool = [found, "pip", "install", "--quiet", "--link-mode", "copy"]
        there = ["--python-platform", f"{platform}-manylinux_2_34"]
    else:
        tool = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        tags = ("_2_34", "_2_28", "_2_17", "2014")
        there = [f"--platform=manylinux{tag}_{platform}" for tag in tags]
    run([*tool, *what, *wheels, *there])


def run(command: list[str], **options: Any) -> None:
    """Run `command`. Raises SystemExit if it fails; its own output says why."""
    if code := subprocess.run(command, check=False, **options).returncode:
        raise SystemExit(code)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def compile_all(interpreter: str, folder: Path) -> None:
    """Write bytecode that is never compared with its source: unpacking changes every date."""
    how = ["-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    run([interpreter, "-m", "compileall", *how, "."], cwd=folder)


if __name__ == "__main__":
    main()
