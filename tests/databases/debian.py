"""Programs of Debian's packages, unpacked into a folder without being installed."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

SECONDS = 300


class PackageUnavailable(Exception):
    """The packages cannot be downloaded here."""


def unpack(name: str, packages: Sequence[str], folder: Path, suite: str | None = None) -> Path:
    """Unpack `packages` and their dependencies under `folder`/`name`, once. Returns that folder.

    `suite`: the release to take them from; by default this machine's. apt gets a configuration, a
    cache and an empty list of packages of its own, so that any user can do it. Raises
    PackageUnavailable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / name
    with FileLock(folder / f"{name}.lock", timeout=SECONDS):
        if not root.exists():
            draft = folder / f"{name}.draft"
            shutil.rmtree(draft, ignore_errors=True)
            _unpack(packages, draft, suite)
            shutil.rmtree(draft / "apt")
            draft.rename(root)
    return root


def distribution() -> str:
    """Return `debian`, `ubuntu` or another distribution; empty if unknown."""
    try:
        return platform.freedesktop_os_release()["ID"]
    except OSError:
        return ""


def command(root: Path, program: str) -> list[str]:
    """Return the command that runs `program` (such as usr/sbin/mysqld) with its own libraries."""
    triplet = f"{platform.machine()}-linux-gnu"
    libraries = ":".join(str(root / folder / triplet) for folder in ("usr/lib", "lib"))
    loader = next(path for path in root.rglob("ld-linux-*.so.*") if not path.is_symlink())
    return [str(loader), "--library-path", libraries, str(root / program)]


def library_path(root: Path) -> str:
    """Return an LD_LIBRARY_PATH for a program that starts itself again, which a loader's cannot.

    This machine's own libraries go first: the packages are of its release, and the C library must
    be its loader's.
    """
    triplet = f"{platform.machine()}-linux-gnu"
    system = [f"/usr/lib/{triplet}", f"/lib/{triplet}"]
    unpacked = {str(path.parent) for path in root.rglob("lib*.so*")}
    return ":".join([*system, *sorted(unpacked)])


def _unpack(packages: Sequence[str], draft: Path, suite: str | None) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise PackageUnavailable("there is no apt-get here")
    apt = draft / "apt"
    for made in ("etc", "state/lists/partial", "cache/archives/partial"):
        (apt / made).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "etc/sources.list").write_text(_source(suite))
    options = [
        f"-oDir::Etc={apt}/etc",
        f"-oDir::Etc::sourcelist={apt}/etc/sources.list",
        "-oDir::Etc::sourceparts=-",
        f"-oDir::State={apt}/state",
        f"-oDir::State::status={apt}/status",
        f"-oDir::Cache={apt}/cache",
        "-oAPT::Install-Recommends=false",
        "-oAPT::Sandbox::User=",
        "-oDPkg::Post-Invoke=",
        "-oDPkg::Pre-Install-Pkgs=",
    ]
    _run("apt-get", *options, "-qq", "update")
    _run("apt-get", *options, "-qq", "--yes", "--download-only", "install", *packages)
    for archive in (apt / "cache/archives").glob("*.deb"):
        _run("dpkg-deb", "--extract", str(archive), str(draft))


def _source(suite: str | None) -> str:
    """Return a line for apt's list of sources: this machine's mirror, with `suite`."""
    release = platform.freedesktop_os_release()
    own = release.get("VERSION_CODENAME", "")
    wanted = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    said = _run(
        "apt-get", "indextargets", "--no-release-info", "--format", wanted, "Created-By: Packages"
    )
    mirrors = [line.split()[0] for line in said.splitlines() if line.split()[1:] == [own, "main"]]
    if not mirrors:
        raise PackageUnavailable("apt knows no mirror of this release")
    keys = f"/usr/share/keyrings/{release['ID']}-archive-keyring.gpg"
    components = "main universe" if release["ID"] == "ubuntu" else "main"
    return f"deb [signed-by={keys}] {mirrors[0]} {suite or own} {components}\n"


def _run(*arguments: str) -> str:
    done = subprocess.run(
        arguments,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode != 0:
        raise PackageUnavailable(f"{' '.join(arguments[:1])} failed: {done.stdout[-500:]}")
    return done.stdout
