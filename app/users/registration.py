"""`POST /auth/register`: create an account."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from app.users import refusals
from app.users.dependencies import UserManagerDep
from app.users.schemas import UserRead, UserRegister
from app.users.tables import User

router = APIRouter(tags=["auth"])


@router.post(
    "/register",
    response_model=UserRead,
    status_code=201,
    name="register:register",
    summary="Create an account",
    responses={400: refusals.answer("RegisterError", refusals.REGISTER)},
)
async def register(body: UserRegister, manager: UserManagerDep) -> User:
    """Create an account, and send a mail that asks to verify its address."""
    with refusals.bad_request(refusals.REGISTER):
        return await manager.create(body, safe=True)


@router.post("/registration", include_in_schema=False)
async def registration(request: Request) -> RedirectResponse:
    """Redirect from the route's name in the original notes."""
    # Not request.url_for, which reads the header Host.
    path = request.app.url_path_for("register:register")
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", 308)
