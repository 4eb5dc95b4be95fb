"""A real Chromium, from PATH or from Debian's packages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.databases import debian

CACHE = Path(__file__).parents[2] / ".cache"
NAMES = ("chromium", "chromium-browser", "google-chrome")

_FONTS = "<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{folder}</cachedir></fontconfig>"


@contextmanager
def chromium(folder: Path, *arguments: str) -> Iterator[Browser]:
    """Run a headless Chromium with `arguments`; `folder` is for its files."""
    program, environment = _find(folder)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            env=environment,
            args=list(arguments),
            # People's browsers have the cache of pages that the back button shows.
            ignore_default_args=["--disable-back-forward-cache"],
        )
        with browser:
            yield browser


def _find(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the program and its environment."""
    environment = dict(os.environ)
    for name in NAMES:
        if found := shutil.which(name):
            return found, environment
    try:
        root = debian.unpack("chromium", ["chromium"], CACHE)
    except debian.PackageUnavailable as error:
        raise RuntimeError(f"{error}: install Chromium ({NAMES[0]} on PATH)") from error
    fonts = folder / "fonts.conf"
    fonts.write_text(_FONTS.format(root=root, folder=folder))
    environment["FONTCONFIG_FILE"] = str(fonts)
    environment["LD_LIBRARY_PATH"] = debian.library_path(root)
    return str(root / "usr/lib/chromium/chromium"), environment
