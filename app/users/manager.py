"""What can happen to an account (fastapi-users' manager, with its races closed)."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from fastapi import Request
from fastapi.security import OAuth2PasswordRequestForm
from fastapi_users import BaseUserManager, UUIDIDMixin
from fastapi_users.exceptions import (
    InvalidPasswordException,
    InvalidResetPasswordToken,
    InvalidVerifyToken,
    UserAlreadyExists,
    UserAlreadyVerified,
)
from fastapi_users.schemas import BaseUserCreate, BaseUserUpdate

from app.errors import Forbidden, LastSuperuser, NotFound, Unauthorized
from app.mail.outbox import Outbox
from app.services import Services
from app.users.letters import RESET, VERIFY, reset_proof, verify_proof
from app.users.principal import Principal
from app.users.schemas import UserCreate, UserUpdate
from app.users.store import UserStore
from app.users.tables import AnyUser, User


class Logins(Protocol):
    """What an account needs to know of its logins."""

    async def stands(self, login_id: UUID) -> bool:
        """Tell whether a login is still there."""

    async def end_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        """End the logins of an account, `but` the one with that id."""


class UserManager(UUIDIDMixin, BaseUserManager[AnyUser, UUID]):
    """Passwords are hashed before rows are locked; what was checked is checked again after."""

    user_db: UserStore

    def __init__(
        self, services: Services, store: UserStore, logins: Logins, outbox: Outbox
    ) -> None:
        super().__init__(store, services.passwords.helper)
        self.passwords = services.passwords
        self.signer = services.signer
        self.require_verified = services.settings.require_verified
        self.logins = logins
        self.outbox = outbox

    async def create(
        self,
        user_create: BaseUserCreate,
        safe: bool = False,
        request: Request | None = None,
    ) -> User:
        """Make an account and ask for proof of its address.

        If `safe`, flags in `user_create` are ignored. Raises InvalidPasswordException,
        UserAlreadyExists.
        """
        assert isinstance(user_create, UserCreate)
        await self.validate_password(user_create.password)
        if await self.user_db.get_by_email(user_create.email) is not None:
            raise UserAlreadyExists
        await self.user_db.rest()
        hashed = await self.passwords.hash(user_create.password)
        values = {**user_create.values(safe=safe), "hashed_password": hashed}
        user = await self.user_db.create(values)
        self._ask_for_proof(user)
        return user

    async def authenticate(self, credentials: OAuth2PasswordRequestForm) -> User | None:
        """Return the account that the e-mail and password name, locked until the commit; or None.

        An unknown address takes as long as a wrong password. Older hashes are upgraded.
        """
        seen = await self.user_db.get_by_email(credentials.username)
        stored = seen.hashed_password if seen is not None else None
        await self.user_db.rest()
        matches, upgraded = await self.passwords.verify(credentials.password, stored)
        if seen is None or not matches:
            return None
        # A reset may have come in between: its end of all logins must count for this one too.
        user = await self.user_db.get_locked(seen.id)
        if user is None or user.hashed_password != stored:
            return None
        if upgraded is not None:
            await self.user_db.update(user, {"hashed_password": upgraded})
        return user

    async def validate_password(
        self, password: str, user: BaseUserCreate | User | None = None
    ) -> None:
        """Raise InvalidPasswordException if `password` may not be chosen."""
        reason = self.passwords.fault(password)
        if reason is not None:
            raise InvalidPasswordException(reason)

    async def update(
        self,
        user_update: BaseUserUpdate,
        user: User | Principal,
        safe: bool = False,
        request: Request | None = None,
    ) -> User:
        """Change an account. If `safe`, by its owner: flags are ignored, this login stays.

        Else by the superuser whose `request` it is. Raises InvalidPasswordException,
        UserAlreadyExists, LastSuperuser, NotFound, Unauthorized, Forbidden.
        """
        assert isinstance(user_update, UserUpdate)
        by = user if safe and isinstance(user, Principal) else _asking(request)
        return await self.apply(user_update.changes(safe=safe), user.id, by=by, own=safe)

    async def apply(
        self,
        changes: dict[str, Any],
        user_id: UUID,
        *,
        by: Principal | None = None,
        own: bool = False,
    ) -> User:
        """Make `changes` to an account and end the logins they must end; raises as `update`.

        `by`: who asks for it, which is the owner if `own`, else a superuser; None, an operator.
        """
        if "password" in changes:
            await self.validate_password(changes["password"])
            await self.user_db.rest()
            changes["hashed_password"] = await self.passwords.hash(changes.pop("password"))
        needed = ["is_superuser", "is_active"] + ["is_verified"] * self.require_verified
        if any(changes.get(flag) is False for flag in needed):
            await self._keep_a_superuser(user_id)
        current = await self._lock(user_id, by, own=own)
        # Only letter case is taken for the same mailbox: a look-alike may be another's.
        moved = changes.get("email", current.email).lower() != current.email.lower()
        if moved:
            changes = {"is_verified": False, **changes}
        user = await self.user_db.update(current, changes)
        if "hashed_password" in changes or not user.is_active:
            await self.logins.end_all(user.id, but=by.login_id if by and own else None)
        if moved:
            self._ask_for_proof(user)
        return user

    async def verify(self, token: str, request: Request | None = None) -> User:
        """Mark the address in `token` as proven. Raises InvalidVerifyToken, UserAlreadyVerified."""
        claims = self.signer.read(VERIFY, token)
        if claims is None:
            raise InvalidVerifyToken
        user = await self.user_db.get_locked(UUID(claims["sub"]))
        if user is None or claims["proof"] != verify_proof(self.signer, user):
            raise InvalidVerifyToken
        if user.is_verified:
            raise UserAlreadyVerified
        return await self.user_db.update(user, {"is_verified": True})

    async def reset_password(
        self, token: str, password: str, request: Request | None = None
    ) -> User:
        """Set the password of the account that `token` names, once, and end all its logins.

        Raises InvalidResetPasswordToken, InvalidPasswordException; the latter spends no token.
        """
        claims = self.signer.read(RESET, token)
        seen = await self.user_db.get(UUID(claims["sub"])) if claims is not None else None
        if claims is None or seen is None or not self._proves(claims, seen):
            raise InvalidResetPasswordToken
        await self.validate_password(password)
        await self.user_db.rest()
        hashed = await self.passwords.hash(password)
        user = await self.user_db.get_locked(seen.id)
        if user is None or not self._proves(claims, user):
            raise InvalidResetPasswordToken
        await self.user_db.update(user, {"hashed_password": hashed})
        await self.logins.end_all(user.id)
        return user

    def _proves(self, claims: Mapping[str, Any], user: User) -> bool:
        return bool(user.is_active and claims["proof"] == reset_proof(self.signer, user))

    async def delete(self, user: User, request: Request | None = None) -> None:
        """Delete an account with its logins, for the superuser whose `request` it is.

        Raises LastSuperuser, NotFound, Unauthorized, Forbidden.
        """
        await self._keep_a_superuser(user.id)
        await self.user_db.delete(await self._lock(user.id, _asking(request)))

    async def _lock(self, user_id: UUID, by: Principal | None, *, own: bool = False) -> User:
        """Return an account, locked along with that of whoever asks, if they still may.

        Time has passed since they were let in: a hash, or another who had the lock.
        """
        found = await self.user_db.get_all_locked({user_id, by.id if by else user_id})
        if by is not None:
            asking = found.get(by.id)
            # Whoever deactivates or demotes them locks their account first: from here on it stays.
            if not (asking and asking.is_active and await self.logins.stands(by.login_id)):
                raise Unauthorized
            if self.require_verified and not asking.is_verified:
                raise Forbidden
            if not (own or asking.is_superuser):
                raise Forbidden
        if user_id not in found:
            raise NotFound
        return found[user_id]

    async def _keep_a_superuser(self, without: UUID) -> None:
        """Raise LastSuperuser if nobody else could manage accounts; one such change at a time."""
        left = await self.user_db.lock_superusers(verified=self.require_verified)
        if left == {without}:
            raise LastSuperuser

    def _ask_for_proof(self, user: User) -> None:
        if user.is_active and not user.is_verified:
            self.outbox.put(VERIFY, user.email)


def _asking(request: Request | None) -> Principal | None:
    """Return whom a guard let in with `request`; None without one, for an operator."""
    if request is None:
        return None
    principal: Principal = request.state.principal
    return principal
