"""Password hashing, away from the event loop."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from app.errors import PasswordsBusy
from app.settings import Settings

Result = TypeVar("Result")

# Longer ones cost time and memory before they can be refused.
MAX_BYTES = 1_024
# All that bcrypt ever looked at; its library refuses more instead of cutting it off.
_BCRYPT_BYTES = 72
# Hashes under way or waiting, and how many seconds one waits to be begun: less than a client does,
# and than a server that stops gives its requests.
MAX_WAITING = 256
WAIT_SECONDS = 5
_NICENESS = 15


class _Bcrypt(BcryptHasher):
    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        if isinstance(password, str):
            password = password.encode()
        return super().verify(password[:_BCRYPT_BYTES], hash)


class Passwords:
    """Argon2id (RFC 9106) with the settings' parameters; knows bcrypt hashes from elsewhere.

    At most as many hashes at once as there are cores, so that memory is bounded too. They give way
    to whatever else wants a core, the event loop first of all.
    """

    def __init__(self, settings: Settings) -> None:
        self.min_length = settings.password_min_length
        current = Argon2Hasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        self.helper = PasswordHelper(PasswordHash((current, _Bcrypt())))
        # The shape of a hash that nobody's password has; it costs as much to compare with.
        self._decoy = (
            f"$argon2id$v=19$m={settings.argon2_memory_kib},t={settings.argon2_time_cost},"
            f"p={settings.argon2_parallelism}${'A' * 22}${'A' * 43}"
        )
        self._waiting = 0
        self._threads = ThreadPoolExecutor(_cores(), "password", initializer=_give_way)

    def fault(self, password: str) -> str | None:
        """Return why `password` may not be chosen, or None."""
        if len(password) < self.min_length:
            return f"Password should be at least {self.min_length} characters"
        if not _fits(password):
            return f"Password should be at most {MAX_BYTES} bytes of UTF-8"
        return None

    async def hash(self, password: str) -> str:
        """Return a hash to store, in the PHC string format. Raises PasswordsBusy."""
        return await self._off_the_loop(lambda: self.helper.hash(password))

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Compare `password` with the `stored` hash; None, no such account, takes as long.

        Returns whether they match and, if the hash is of an older kind, one to store instead.
        Raises PasswordsBusy.
        """
        if not _fits(password):
            password, stored = "", None
        matches, upgraded = await self._off_the_loop(
            lambda: self._verify(password, stored or self._decoy)
        )
        return (matches, upgraded) if stored is not None else (False, None)

    def _verify(self, password: str, stored: str) -> tuple[bool, str | None]:
        try:
            return self.helper.verify_and_update(password, stored)
        except UnknownHashError:
            return False, None

    async def _off_the_loop(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= MAX_WAITING:
            raise PasswordsBusy
        hashing = self._threads.submit(work)
        self._waiting += 1
        try:
            done = asyncio.wrap_future(hashing)
            await asyncio.wait({done}, timeout=WAIT_SECONDS)
            if hashing.cancel():
                raise PasswordsBusy
            return await done
        finally:
            hashing.cancel()
            self._waiting -= 1

    def close(self) -> None:
        """Let the threads go; hashes under way are finished first."""
        self._threads.shutdown(cancel_futures=True)


def _fits(password: str) -> bool:
    try:
        return len(password.encode()) <= MAX_BYTES
    except UnicodeEncodeError:
        return False


def _cores() -> int:
    """Return how many this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _give_way() -> None:
    """Lower the priority of this thread; elsewhere than on Linux it is the whole process's."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        except OSError:
            pass  # it will do without
