"""Uses the client that openapi-python-client makes, as an application would."""

import sys
from uuid import uuid4

from keystead_client import AuthenticatedClient, Client
from keystead_client.api.auth import login, refresh, register
from keystead_client.api.services import revoke
from keystead_client.api.tick import get_metrics
from keystead_client.api.users import get_me, get_user, list_my_sessions
from keystead_client.models import (
    AccessToken,
    BodyLogin,
    BodyRevoke,
    ForbiddenError,
    LoginError,
    LoginErrorDetail,
    RefreshError,
    RefreshErrorDetail,
    RefreshRefreshBody,
    RegisterError,
    RegisterErrorDetailType0,
    RegisterErrorDetailType1,
    SessionPage,
    UnauthorizedError,
    UserRead,
    UserRegister,
)

url, metrics_token = sys.argv[1:]
client = Client(base_url=url, raise_on_unexpected_status=True)
address = f"k{uuid4().hex}@camelot.bt"
person = UserRegister(email=address, password="excalibur 1")

made = register.sync(client=client, body=person)
assert isinstance(made, UserRead)
assert made.is_verified is False

again = register.sync(client=client, body=person)
assert isinstance(again, RegisterError)
assert again.detail is RegisterErrorDetailType0.REGISTER_USER_ALREADY_EXISTS
short = register.sync(client=client, body=UserRegister(email=address, password="x"))
assert isinstance(short, RegisterError)
assert isinstance(short.detail, RegisterErrorDetailType1)
reason: str = short.detail.reason
assert reason

refused = login.sync(client=client, body=BodyLogin(username=address, password="wrong"))
assert isinstance(refused, LoginError)
assert refused.detail is LoginErrorDetail.LOGIN_BAD_CREDENTIALS

token = login.sync(client=client, body=BodyLogin(username=address, password=person.password))
assert isinstance(token, AccessToken)
seconds: int = token.expires_in
assert seconds > 0

own = AuthenticatedClient(base_url=url, token=token.access_token)
me = get_me.sync(client=own)
assert isinstance(me, UserRead)
assert (me.id, me.email) == (made.id, address)
stranger = AuthenticatedClient(base_url=url, token="none")
assert isinstance(get_me.sync(client=stranger), UnauthorizedError)
assert isinstance(get_user.sync(str(me.id), client=own), ForbiddenError)

body = RefreshRefreshBody(token.refresh_token)
refreshed = refresh.sync(client=client, body=body)
assert isinstance(refreshed, AccessToken)
page = list_my_sessions.sync(client=own)
assert isinstance(page, SessionPage)
assert [session.current for session in page.items] == [True]
revoke.sync(client=client, body=BodyRevoke(refreshed.refresh_token))
assert isinstance(get_me.sync(client=own), UnauthorizedError)
ended = refresh.sync(client=client, body=RefreshRefreshBody(refreshed.refresh_token))
assert isinstance(ended, RefreshError)
assert ended.detail is RefreshErrorDetail.REFRESH_TOKEN_INVALID

metrics = get_metrics.sync(client=AuthenticatedClient(base_url=url, token=metrics_token))
assert isinstance(metrics, str)
assert metrics.startswith("# HELP ")
print("done")
