"""Changes to accounts: fastapi-users' manager, safe against races."""

from collections.abc import Mapping
from typing import Any
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
from sqlalchemy.ext.asyncio import AsyncSession

from app.actor import Actor
from app.crypto.tokens import unfold
from app.errors import Forbidden, LastSuperuser, NotFound, Unauthorized
from app.mail.outbox import Outbox
from app.resources import Resources
from app.sessions.store import SessionStore
from app.sessions.tables import Transport, UserSession
from app.users.database import UserDatabase
from app.users.emails import same_spelling
from app.users.letters import (
    ADDRESS_CHANGED,
    PASSWORD_CHANGED,
    RESET,
    VERIFY,
    reset_proof,
    verify_proof,
)
from app.users.schemas import UserRegister, UserUpdateMe
from app.users.tables import AnyUser, User


class UserManager(UUIDIDMixin, BaseUserManager[AnyUser, UUID]):
    """The accounts within one transaction, for one actor.

    Passwords are hashed before rows are locked; checks are repeated under the lock.
    """

    user_db: UserDatabase

    def __init__(self, resources: Resources, session: AsyncSession, actor: Actor) -> None:
        super().__init__(UserDatabase(session), resources.passwords.helper)
        self.sessions = SessionStore(session, resources)
        self._actor = actor
        self._outbox = Outbox(session, resources.mail_waiting)
        self._passwords = resources.passwords
        self._signer = resources.signer
        self._require_verified = resources.settings.require_verified

    async def create(
        self,
        user_create: BaseUserCreate | UserRegister,
        safe: bool = False,
        request: Request | None = None,
    ) -> User:
        """Create an account and request the verification of its address.

        `safe`: ignore the flags in `user_create`. Raises InvalidPasswordException,
        UserAlreadyExists, PasswordHashingBusy.
        """
        assert isinstance(user_create, UserRegister)
        await self.validate_password(user_create.password)
        if await self.user_db.get_by_email(user_create.email) is not None:
            raise UserAlreadyExists
        await self.user_db.release_connection()
        hashed = await self._passwords.hash(user_create.password)
        values = {**user_create.values(safe=safe), "hashed_password": hashed}
        user: User = await self.user_db.create(values)
        self._request_verification(user)
        return user

    async def authenticate(self, credentials: OAuth2PasswordRequestForm) -> User | None:
        """Return the account for an e-mail address and password, locked until the commit, or None.

        An unknown address takes as long as a wrong password. A hash that is cheaper to
        attack than a new one is replaced. Raises PasswordHashingBusy.
        """
        found = await self.user_db.get_by_email(credentials.username)
        stored = found.hashed_password if found is not None else None
        await self.user_db.release_connection()
        matches, upgraded = await self._passwords.verify(credentials.password, stored)
        if found is None or not matches:
            return None
        # A reset meanwhile revoked all sessions: the one that this log-in opens must not survive.
        user = await self.user_db.get_locked(found.id)
        if user is None or user.hashed_password != stored:
            return None
        if upgraded is not None:
            await self.user_db.update(user, {"hashed_password": upgraded})
        return user

    async def open_session(self, user: User, transport: Transport = "bearer") -> UserSession:
        """Open a session for an account that `authenticate` returned."""
        return await self.sessions.open(user.id, self._actor, transport)

    async def validate_password(
        self, password: str, user: BaseUserCreate | User | None = None
    ) -> None:
        """Raise InvalidPasswordException if `password` is refused as a new one."""
        reason = self._passwords.find_problem(password)
        if reason is not None:
            raise InvalidPasswordException(reason)

    async def update(
        self,
        user_update: BaseUserUpdate | UserUpdateMe,
        user: Any,
        safe: bool = False,
        request: Request | None = None,
    ) -> User:
        """Change the account with the id of `user`; raises as `apply`.

        `safe`: as its owner, whose present session stays and whose flags are ignored.
        """
        assert isinstance(user_update, UserUpdateMe)
        return await self.apply(user_update.changes(safe=safe), user.id, own=safe)

    async def apply(self, changes: dict[str, Any], user_id: UUID, *, own: bool = False) -> User:
        """Make `changes` to an account and revoke the sessions that they end.

        The address that the account had gets a notice of another address or password.

        `own`: the actor changes their own account, and keeps the present session; else the actor
        is a superuser or the operator. Raises InvalidPasswordException, UserAlreadyExists,
        LastSuperuser, NotFound, Unauthorized, Forbidden, PasswordHashingBusy.
        """
        if "password" in changes:
            await self.validate_password(changes["password"])
            await self.user_db.release_connection()
            changes["hashed_password"] = await self._passwords.hash(changes.pop("password"))
        needed = ["is_superuser", "is_active"] + ["is_verified"] * self._require_verified
        if any(changes.get(flag) is False for flag in needed):
            await self._keep_a_superuser(user_id)
        current = await self._lock(user_id, own=own)
        # Only letter case is taken for the same mailbox: a look-alike can be another person's.
        has_moved = changes.get("email", current.email).lower() != current.email.lower()
        address = current.email
        if has_moved:
            changes = {"is_verified": False, **changes}
        user: User = await self.user_db.update(current, changes)
        if "hashed_password" in changes or not user.is_active:
            kept = self._actor.session_id if own else None
            await self.sessions.revoke_all(user.id, except_id=kept)
        if has_moved:
            await self._outbox.forget(_spellings(address))
            self._outbox.enqueue(ADDRESS_CHANGED, address)
            self._request_verification(user)
        if "hashed_password" in changes:
            self._outbox.enqueue(PASSWORD_CHANGED, address)
        return user

    async def verify(self, token: str, request: Request | None = None) -> User:
        """Mark an address as verified. Raises InvalidVerifyToken, UserAlreadyVerified."""
        claims = self._read(VERIFY, token)
        found = await self.user_db.get_locked(UUID(claims["sub"])) if claims is not None else None
        user = self._verifiable(claims, found)
        verified: User = await self.user_db.update(user, {"is_verified": True})
        return verified

    async def check_verify_token(self, token: str) -> None:
        """Raise as `verify` would; change nothing."""
        claims = self._read(VERIFY, token)
        self._verifiable(claims, await self._find(claims))

    def _verifiable(self, claims: Mapping[str, Any] | None, user: User | None) -> User:
        """Return the account if it can be verified. Raises as `verify`."""
        if claims is None or user is None:
            raise InvalidVerifyToken
        if not self._signer.is_fingerprint(claims["proof"], *verify_proof(user)):
            raise InvalidVerifyToken
        if user.is_verified:
            raise UserAlreadyVerified
        return user

    async def reset_password(
        self, token: str, password: str, request: Request | None = None
    ) -> User:
        """Set the password of the account that `token` names, and revoke all its sessions.

        The token was sent to the address that the account has, which is thereby verified. A token
        works once. Raises InvalidResetPasswordToken, PasswordHashingBusy, and
        InvalidPasswordException, after which the token still works.
        """
        claims = self._read(RESET, token)
        found = self._resettable(claims, await self._find(claims))
        await self.validate_password(password)
        await self.user_db.release_connection()
        hashed = await self._passwords.hash(password)
        user = self._resettable(claims, await self.user_db.get_locked(found.id))
        await self.user_db.update(user, {"hashed_password": hashed, "is_verified": True})
        await self.sessions.revoke_all(user.id)
        self._outbox.enqueue(PASSWORD_CHANGED, user.email)
        return user

    async def check_reset_token(self, token: str) -> None:
        """Raise InvalidResetPasswordToken if `reset_password` would; change nothing."""
        claims = self._read(RESET, token)
        self._resettable(claims, await self._find(claims))

    async def was_reset(self, token: str, password: str) -> bool:
        """Return whether the account that a used `token` names has `password`; change nothing.

        A form that is submitted twice has set it the first time. Raises PasswordHashingBusy.
        """
        claims = self._read(RESET, token)
        # Locked, to wait for a submission at the same time.
        user = await self.user_db.get_locked(UUID(claims["sub"])) if claims is not None else None
        if user is None or not user.is_active:
            return False
        await self.user_db.release_connection()
        matches, _ = await self._passwords.verify(password, user.hashed_password)
        return matches

    def _resettable(self, claims: Mapping[str, Any] | None, user: User | None) -> User:
        """Return the account if its password can be reset. Raises InvalidResetPasswordToken."""
        if claims is None or user is None or not user.is_active:
            raise InvalidResetPasswordToken
        if not self._signer.is_fingerprint(claims["proof"], *reset_proof(user)):
            raise InvalidResetPasswordToken
        return user

    def _read(self, audience: str, token: str) -> Mapping[str, Any] | None:
        return self._signer.verify(audience, unfold(token))

    async def _find(self, claims: Mapping[str, Any] | None) -> User | None:
        """Return the account that a token's claims name."""
        if claims is None:
            return None
        user: User | None = await self.user_db.get(UUID(claims["sub"]))
        return user

    async def delete(self, user: User, request: Request | None = None) -> None:
        """Delete an account, its sessions and the messages to its address.

        As a superuser or the operator. Raises LastSuperuser, NotFound, Unauthorized, Forbidden.
        """
        await self._keep_a_superuser(user.id)
        found = await self._lock(user.id)
        await self.user_db.delete(found)
        await self._outbox.forget(_spellings(found.email))

    async def _lock(self, user_id: UUID, *, own: bool = False) -> User:
        """Return the account, locked together with the actor's, if the actor still has the right.

        The right may be gone since the guard saw it: a hash or another lock took time meanwhile.
        """
        actor_id = self._actor.user_id
        accounts = await self.user_db.get_all_locked({user_id, actor_id or user_id})
        await self._check_actor(accounts, own=own)
        if user_id not in accounts:
            raise NotFound
        return accounts[user_id]

    async def _check_actor(self, locked: Mapping[UUID, User], *, own: bool) -> None:
        """Raise Unauthorized or Forbidden unless the actor may change an account now."""
        actor = self._actor
        if actor.kind == "operator":
            return
        account = locked.get(actor.user_id) if actor.user_id else None
        if account is None or actor.session_id is None or not account.is_active:
            raise Unauthorized("The session has ended")
        # Sessions are revoked under the account's lock, which is held here.
        if not await self.sessions.exists(actor.session_id):
            raise Unauthorized("The session has ended")
        if self._require_verified and not account.is_verified:
            raise Forbidden
        if not (own or account.is_superuser):
            raise Forbidden

    async def _keep_a_superuser(self, without: UUID) -> None:
        """Raise LastSuperuser if no other account could manage accounts. Locks all superusers."""
        left = await self.user_db.lock_superusers(verified=self._require_verified)
        if left == {without}:
            raise LastSuperuser

    def _request_verification(self, user: User) -> None:
        if user.is_active and not user.is_verified:
            self._outbox.enqueue(VERIFY, same_spelling(user.email))


def _spellings(email: str) -> set[str]:
    """Return an address as the outbox has it: a notice's recipient, or as others asked for it."""
    return {email, same_spelling(email)}
