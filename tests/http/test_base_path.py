"""Below a path of the public address, with a proxy that strips the path and one that does not."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from app.http.base_path import BasePathMiddleware
from app.main import create_app
from app.settings.model import Settings
from app.settings.texts import ROUTES
from tests.databases.server import free_port
from tests.http.nginx import nginx
from tests.service import PASSWORD, Service, bearer, in_process, new_address, over_tcp, text_of

pytestmark = pytest.mark.only("sqlite")

SERVERS = """
server {{
  listen 127.0.0.1:{strips};
  location /id/ {{ proxy_pass http://127.0.0.1:{app}/; }}
}}
server {{
  listen 127.0.0.1:{leaves};
  location /id/ {{ proxy_pass http://127.0.0.1:{app}; }}
}}
"""


@pytest.mark.parametrize(
    ("prefix", "asked", "routed"),
    [
        ("/id", "/id/users/me", "/id/users/me"),
        ("/id", "/users/me", "/id/users/me"),
        ("/id", "/identity", "/id/identity"),
        ("/id", "/id", "/id/"),
        ("/id", "/", "/id/"),
        ("/id", "/id/id/x", "/id/id/x"),
        ("/a/b", "/a/x", "/a/b/a/x"),
        ("/ü", "/ü/x", "/ü/x"),
    ],
)
def test_the_path_of_a_request(prefix: str, asked: str, routed: str) -> None:
    seen: list[Scope] = []

    async def remember(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def unused() -> None:
        raise AssertionError

    scope = {"type": "http", "path": asked}
    asyncio.run(BasePathMiddleware(remember, prefix)(scope, unused, unused))  # type: ignore[arg-type]
    assert (seen[0]["root_path"], seen[0]["path"]) == (prefix, routed)
    assert scope["path"] == asked


def test_a_path_that_routes_begin_with_is_refused() -> None:
    app = create_app(Settings(_env_file=None))
    firsts = {str(route.path).split("/")[1] for route in iter_route_contexts(app.routes)}
    assert firsts == ROUTES
    for path in (*firsts, "auth/x", "%61uth", "/id", "a//b", "a%0d%0aX: y", "a b", "a%3Fb", "a%25"):
        with pytest.raises(ValidationError):
            Settings(_env_file=None, base_url=f"https://camelot.bt/{path}")
    for path in ("id", "accounts/", "authentication", "v1/auth", "ü"):
        Settings(_env_file=None, base_url=f"https://camelot.bt/{path}")


def test_the_redirect_of_an_old_route_names_no_host(tmp_path: Path) -> None:
    with in_process(tmp_path, base_url="https://camelot.bt/ü") as service:
        for host in ("evil.example", "x/evil.example", "evil.example?", "[", "x//evil.example/y#z"):
            answer = service.client.post("/auth/registration", headers={"Host": host})
            assert answer.headers["location"] == "/%C3%BC/auth/register", host


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service, and its address behind each of two proxies."""
    folder = tmp_path_factory.mktemp("proxied")
    strips, leaves = free_port(), free_port()
    public = f"http://127.0.0.1:{strips}/id"
    with over_tcp(folder, base_url=public) as service:
        app = service.client.base_url.port
        servers = SERVERS.format(strips=strips, leaves=leaves, app=app)
        with nginx(folder / "nginx", servers, strips):
            yield service, {"strips": public, "leaves": f"http://127.0.0.1:{leaves}/id"}


@pytest.mark.parametrize("proxy", ["strips", "leaves"])
def test_every_address_is_below_the_path(
    proxied: tuple[Service, dict[str, str]], proxy: str
) -> None:
    service, addresses = proxied
    url = addresses[proxy]
    with httpx2.Client(timeout=30, verify=False) as client:

        def arrives(path: str, page: str = f"{url}/") -> httpx2.Response:
            """Follow a reference that a page contains, as a browser would."""
            target = urljoin(page, path)
            assert target.startswith(f"{url}/"), target
            answer = client.get(target)
            assert answer.status_code == 200, target
            return answer

        address = new_address()
        person = {"email": address, "password": PASSWORD}
        moved = client.post(f"{url}/auth/registration", json=person)
        assert (moved.status_code, moved.headers["location"]) == (308, "/id/auth/register")
        assert client.post(urljoin(url, moved.headers["location"]), json=person).status_code == 201

        document = arrives("openapi.json").json()
        assert document["servers"] == [{"url": addresses["strips"]}]
        flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]
        token_url = flow["password"]["tokenUrl"]
        assert token_url == f"{addresses['strips']}/auth/jwt/login"
        form = {"username": address, "password": PASSWORD}
        token = client.post(token_url, data=form).json()["access_token"]
        # As 'Try it out' does.
        me = client.get(f"{document['servers'][0]['url']}/users/me", headers=bearer(token))
        assert me.json()["email"] == address

        pages = ["docs", "verify?token=x", "reset-password?token=x"]
        for page in pages:
            shown = arrives(page)
            for name, path in re.findall(r'(href|src|action)="([^"]+)"', shown.text):
                arrives(path, f"{url}/{page}")
                assert name != "action" or not path.startswith("/")
        assert client.get(f"{url}/nowhere").status_code == 404

        letter = text_of(service.letter(address))
        (link,) = re.findall(r"http\S+/verify\?\S+", letter)
        assert link.startswith(f"{addresses['strips']}/verify?token=")
        opened = arrives("verify?" + urlsplit(link).query)
        action = re.search(r'action="([^"]+)"', opened.text)
        assert action is not None
        form = {"token": link.partition("token=")[2]}
        assert client.post(urljoin(str(opened.url), action.group(1)), data=form).status_code == 200
