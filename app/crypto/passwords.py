"""Password hashing, in threads of lower priority than the event loop."""

import asyncio
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import (
    DEFAULT_HASH_LENGTH,
    DEFAULT_RANDOM_SALT_LENGTH,
    Parameters,
    Type,
    extract_parameters,
)
from argon2.low_level import ARGON2_VERSION
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from app import limits
from app.errors import PasswordHashingBusy
from app.settings.model import Settings

Result = TypeVar("Result")

# bcrypt ignores the rest; its library now raises instead of truncating.
_BCRYPT_BYTES = 72
# Hashes running or queued, and the seconds that one is queued at most: less than a client waits,
# and than a stopping server gives its requests.
MAX_WAITING = 256
WAIT_SECONDS = 5
_NICENESS = 15


class _Bcrypt(BcryptHasher):
    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        if isinstance(password, str):
            password = password.encode()
        return super().verify(password[:_BCRYPT_BYTES], hash)


class _Argon2(Argon2Hasher):
    """Replaces a hash that is cheaper to attack than its own, not every hash that differs.

    Another service, or earlier settings, may have made stronger ones.
    """

    def __init__(self, time_cost: int, memory_cost: int, parallelism: int) -> None:
        super().__init__(time_cost, memory_cost, parallelism)
        self._ours = Parameters(
            Type.ID,
            ARGON2_VERSION,
            DEFAULT_RANDOM_SALT_LENGTH,
            DEFAULT_HASH_LENGTH,
            time_cost,
            memory_cost,
            parallelism,
        )

    def check_needs_rehash(self, hash: str | bytes) -> bool:
        return _is_cheaper(
            extract_parameters(hash if isinstance(hash, str) else hash.decode()), self._ours
        )


def _is_cheaper(stored: Parameters, ours: Parameters) -> bool:
    """Return whether guessing a password costs less with `stored` than with our parameters.

    A guess on a chip of one's own costs memory for as long as it is used: the time-area product
    that RFC 9106, section 7.2, compares attacks by. The time grows with passes times memory.
    """

    def cost(one: Parameters) -> int:
        return one.memory_cost**2 * one.time_cost

    return (
        stored.type is not Type.ID
        or stored.version < ours.version
        or stored.hash_len < ours.hash_len
        or stored.salt_len < ours.salt_len
        or cost(stored) < cost(ours)
    )


class Passwords:
    """Hashes with Argon2id (RFC 9106) and the settings' parameters; verifies bcrypt hashes too.

    Passwords are normalised to NFC (RFC 8265, section 4.2): keyboards of different systems send
    the same letters in different forms.

    Runs one hash a core at a time, which bounds their memory, at low priority, so that the event
    loop of every process goes first.
    """

    def __init__(self, settings: Settings) -> None:
        self.min_length = settings.password_min_length
        current = _Argon2(
            settings.argon2_time_cost, settings.argon2_memory_kib, settings.argon2_parallelism
        )
        self._argon2 = current
        self.helper = PasswordHelper(PasswordHash((current, _Bcrypt())))
        # Verified for unknown accounts, so that they take as long as known ones.
        self._decoy = (
            f"$argon2id$v=19$m={settings.argon2_memory_kib},t={settings.argon2_time_cost},"
            f"p={settings.argon2_parallelism}${'A' * 22}${'A' * 43}"
        )
        self._waiting = 0
        self._threads = ThreadPoolExecutor(_cores(), "password", initializer=_lower_priority)

    def find_problem(self, password: str) -> str | None:
        """Return the reason to refuse `password` as a new one, or None."""
        fits = _fits(password)
        normal = _normalise(password) if fits else password
        if len(normal) < self.min_length:
            return f"Password should be at least {self.min_length} characters"
        if not fits or not limits.PASSWORD.holds(normal):
            return f"Password should be at most {limits.PASSWORD.bytes} bytes of UTF-8"
        return None

    async def hash(self, password: str) -> str:
        """Return a hash to store, in the PHC string format. Raises PasswordHashingBusy."""
        return await self._run_in_thread(lambda: self.helper.hash(_normalise(password)))

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Verify `password` against the `stored` hash; None (no such account) takes as long.

        Returns whether they match and, for a hash that is cheaper to attack than ours or of a
        password that was not normalised, the hash to store instead. Raises PasswordHashingBusy.
        """
        if not _fits(password):
            password, stored = "", None
        matches, upgraded = await self._run_in_thread(
            lambda: self._verify(password, stored or self._decoy)
        )
        return (matches, upgraded) if stored is not None else (False, None)

    def _verify(self, password: str, stored: str) -> tuple[bool, str | None]:
        normal = _normalise(password)
        try:
            matches, upgraded = self.helper.verify_and_update(normal, stored)
            if matches or normal == password:
                return matches, upgraded
            # Hashes were once made of the password as it was typed.
            if self.helper.password_hash.verify(password, stored):
                return True, self._replace(stored, normal)
        except UnknownHashError:
            pass
        return False, None

    def _replace(self, stored: str, password: str) -> str:
        """Return a hash of `password` that costs an attacker no less than `stored`."""
        if not Argon2Hasher.identify(stored) or self._argon2.check_needs_rehash(stored):
            return self.helper.hash(password)
        costs = extract_parameters(stored)
        return Argon2Hasher(
            costs.time_cost, costs.memory_cost, costs.parallelism, costs.hash_len, costs.salt_len
        ).hash(password)

    @property
    def pending(self) -> int:
        """The number of hashes that run or are queued, at most MAX_WAITING."""
        return self._waiting

    async def _run_in_thread(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= MAX_WAITING:
            raise PasswordHashingBusy
        hashing = self._threads.submit(work)
        self._waiting += 1
        try:
            done = asyncio.wrap_future(hashing)
            await asyncio.wait({done}, timeout=WAIT_SECONDS)
            if hashing.cancel():
                raise PasswordHashingBusy
            return await done
        finally:
            hashing.cancel()
            self._waiting -= 1

    def close(self) -> None:
        """End the threads, after the hashes that are running."""
        self._threads.shutdown(cancel_futures=True)


def _fits(password: str) -> bool:
    """Return whether `password` is short enough to be normalised, and can be encoded."""
    if not limits.TYPED_PASSWORD.holds(password):
        return False
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True


def _normalise(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _lower_priority() -> None:
    """Lower the priority of this thread. Only Linux has priorities of threads."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        except OSError:
            pass  # a container may forbid it
