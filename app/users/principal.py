"""Who a request comes from."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """An account as it was when the request came, and the login that the request came with."""

    login_id: UUID
    id: UUID
    email: str
    is_active: bool
    is_superuser: bool
    is_verified: bool
