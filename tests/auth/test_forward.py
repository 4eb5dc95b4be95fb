"""`GET /auth/forward` behind the nginx of docs/services.md, in front of an application."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from tests.databases import in_database
from tests.databases.server import free_port
from tests.docs.console import ROOT, blocks
from tests.http.nginx import nginx
from tests.log import Log
from tests.service import Service, over_tcp

pytestmark = pytest.mark.only("sqlite")

# The application answers with what it was asked for, and by whom.
SERVERS = """
server {{
  listen 127.0.0.1:{proxy};
  {locations}
}}
server {{
  listen 127.0.0.1:{application};
  client_max_body_size 10m;
  location / {{
    set $account "$http_x_auth_user_id $http_x_auth_user_email $http_x_auth_superuser";
    return 200 "$request_method $request_uri $account";
  }}
}}
"""
NAMES = ("X-Auth-User-Id", "X-Auth-User-Email", "X-Auth-Superuser")


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service, and the address of an application that it protects."""
    folder = tmp_path_factory.mktemp("forward")
    proxy, application = free_port(), free_port()
    (locations,) = blocks(ROOT / "docs/services.md", "nginx")
    with over_tcp(folder, environment="production") as service:
        here = locations.replace(":9000", f":{application}")
        here = here.replace("location / {", "location / { client_max_body_size 10m;")
        here = here.replace(":8080", f":{service.client.base_url.port}")
        servers = SERVERS.format(locations=here, proxy=proxy, application=application)
        with nginx(folder / "nginx", servers, proxy):
            yield service, f"http://127.0.0.1:{proxy}"


def test_the_application_is_told_the_account(protected: tuple[Service, str]) -> None:
    service, url = protected
    person = service.register()
    headers = service.login(person)
    log = Log(service)
    answer = httpx2.post(f"{url}/cart?token=hush", headers=headers, json={"swords": 1})
    assert answer.status_code == 200
    assert answer.text == f"POST /cart?token=hush {person.id} {person.email} false"
    (entry,) = [entry for entry in log.requests() if entry["path"] == "/auth/forward"]
    assert entry["method"] == "GET"
    assert (entry["original_method"], entry["original_path"]) == ("POST", "/cart")


def test_what_a_client_says_of_itself_is_replaced(protected: tuple[Service, str]) -> None:
    service, url = protected
    person = service.register()
    claims = dict.fromkeys(NAMES, "true")
    answer = httpx2.get(url, headers=service.login(person) | claims)
    assert answer.text == f"GET / {person.id} {person.email} false"
    # Keystead answers with the account's headers alone, whatever it was sent.
    direct = service.client.get("/auth/forward", headers=claims)
    assert direct.status_code == 401


def cookie_of(service: Service) -> dict[str, str]:
    """Return the header of a browser that has logged in."""
    person = service.register()
    form = {"username": person.email, "password": person.password}
    own = {"Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=service.client.base_url, verify=False) as browser:
        answer = browser.post("/auth/cookie/login", data=form, headers=own)
        assert answer.status_code == 204, answer.text
        return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


def test_a_browser_is_known_by_its_cookie(protected: tuple[Service, str]) -> None:
    service, url = protected
    cookie = cookie_of(service)
    me = service.client.get("/users/me", headers=cookie).json()
    answer = httpx2.get(f"{url}/cart", headers=cookie)
    assert answer.text == f"GET /cart {me['id']} {me['email']} false"


def test_a_renewed_cookie_reaches_the_browser(protected: tuple[Service, str]) -> None:
    service, url = protected
    cookie = cookie_of(service)
    assert "set-cookie" not in httpx2.get(f"{url}/cart", headers=cookie).headers
    then = datetime.now(UTC) - timedelta(minutes=6)
    in_database(service.folder, "UPDATE user_session SET last_seen_at = :then", then=then)
    answer = httpx2.get(f"{url}/cart", headers=cookie)
    assert answer.headers["Set-Cookie"].startswith("keystead=")


def test_the_applications_limit_counts_for_uploads(protected: tuple[Service, str]) -> None:
    service, url = protected
    headers = service.login(service.register())
    answer = httpx2.post(f"{url}/scan", headers=headers, content=b"x" * 2_000_000)
    assert (answer.status_code, answer.text[:10]) == (200, "POST /scan")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_an_unsafe_request_of_another_site_does_not_reach_it(
    protected: tuple[Service, str], method: str
) -> None:
    service, url = protected
    cookie = cookie_of(service)
    own = {"Sec-Fetch-Site": "same-origin"}
    for sent in (
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "null"},
        # A page can add them only after a preflight request, which has no cookie and is refused.
        {"X-Original-Method": "GET", "X-Forwarded-Method": "GET"},
    ):
        answer = httpx2.request(method, f"{url}/cart", headers=cookie | sent)
        assert answer.status_code == 403, sent
    assert httpx2.request(method, f"{url}/cart", headers=cookie | own).status_code == 200
    headers = service.login(service.register())
    assert httpx2.request(method, f"{url}/cart", headers=headers).status_code == 200


def test_a_request_without_a_session_does_not_reach_it(protected: tuple[Service, str]) -> None:
    service, url = protected
    headers = service.login(service.register())
    service.client.post("/auth/jwt/logout", headers=headers)
    for sent, challenge in (({}, "Bearer"), (headers, 'Bearer error="invalid_token"')):
        answer = httpx2.get(f"{url}/cart", headers=sent)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith(challenge)
    assert httpx2.get(f"{url}/_keystead", headers=headers).status_code == 404


def test_without_keystead_nothing_is_let_through(tmp_path: Path) -> None:
    proxy, application, nobody = free_port(), free_port(), free_port()
    (locations,) = blocks(ROOT / "docs/services.md", "nginx")
    here = locations.replace(":9000", f":{application}").replace(":8080", f":{nobody}")
    servers = SERVERS.format(locations=here, proxy=proxy, application=application)
    with nginx(tmp_path / "nginx", servers, proxy):
        assert httpx2.get(f"http://127.0.0.1:{proxy}/cart").status_code == 500
