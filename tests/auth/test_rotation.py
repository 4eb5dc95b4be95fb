"""Secrets and signing keys are rotated step by step, without ending a session.

Each step is a host here, as hosts of two steps serve beside each other while they are restarted.
"""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import jwt
import pytest

from app import clock
from tests.databases import in_database
from tests.service import PASSWORD, SECRET, Service, bearer, in_process, run_command

pytestmark = pytest.mark.only("sqlite")

OLD, NEW = SECRET, SECRET[::-1]
SECRET_STEPS = (OLD, f"{OLD},{NEW}", f"{NEW},{OLD}", NEW)


@contextmanager
def open_hosts(folder: Path, *settings: dict[str, str]) -> Iterator[list[Service]]:
    """Run a host with each of `settings`, on one database. Each delivers its own mail alone."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(in_process(folder, tick_seconds="86400", **each))
            for each in settings
        ]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """A host at each step of a secret's rotation."""
    settings = [{"secret_key": ring} for ring in SECRET_STEPS]
    with open_hosts(tmp_path_factory.mktemp("hosts"), *settings) as running:
        yield running


@dataclass(frozen=True)
class Issued:
    """The credentials of one account, which a host has issued."""

    access_token: str
    refresh_token: str
    cookie: str
    """The `Cookie` header."""
    verify_token: str
    reset_token: str

    @property
    def session_id(self) -> str:
        claims = jwt.decode(self.access_token, options={"verify_signature": False})
        return str(claims["sid"])


def issue(host: Service) -> Issued:
    """Register an account; log in twice, and ask for both mails."""
    account = host.register()
    verify_token = host.token(account.email)
    host.client.post("/auth/forgot-password", json={"email": account.email})
    reset_token = host.token(account.email)
    form = {"username": account.email, "password": PASSWORD}
    pair = host.client.post("/auth/jwt/login", data=form).json()
    return Issued(
        pair["access_token"], pair["refresh_token"], log_in(host, form), verify_token, reset_token
    )


def log_in(host: Service, form: dict[str, str]) -> str:
    own = {"Sec-Fetch-Site": "same-origin"}
    return cookie_of(host, host.client.post("/auth/cookie/login", data=form, headers=own))


def cookie_of(host: Service, answer: httpx2.Response) -> str:
    """Return the `Cookie` header for the cookie that an answer sets; the client keeps none."""
    host.client.cookies.clear()
    return answer.headers["set-cookie"].partition(";")[0]


def refused(host: Service, issued: Issued) -> set[str]:
    """Return the names of the credentials that a host refuses. All stay valid."""
    get, post = host.client.get, host.client.post
    body = {"refresh_token": issued.refresh_token}
    verify = {"token": issued.verify_token}
    # The password is refused, and the token stays usable.
    reset = {"token": issued.reset_token, "password": "short"}
    answers = {
        "access": get("/users/me", headers=bearer(issued.access_token)),
        "cookie": get("/users/me", headers={"Cookie": issued.cookie}),
        "refresh": post("/auth/jwt/refresh", json=body),
        "verify": post("/auth/verify", json=verify),
        "reset": post("/auth/reset-password", json=reset),
    }
    codes = ("Unauthorized", "REFRESH_TOKEN_INVALID", "_BAD_TOKEN")
    bad = {name for name, one in answers.items() if any(code in one.text for code in codes)}
    for name in answers.keys() - bad:
        used = name == "reset" or "VERIFY_USER_ALREADY_VERIFIED" in answers[name].text
        assert answers[name].status_code == (400 if used else 200), answers[name].text
    return bad


ALL = {"access", "cookie", "refresh", "verify", "reset"}


@pytest.mark.parametrize("issuer", range(len(SECRET_STEPS)))
def test_a_host_knows_what_hosts_of_the_steps_beside_it_issue(
    hosts: list[Service], issuer: int
) -> None:
    issued = issue(hosts[issuer])
    signer = SECRET_STEPS[issuer].split(",")[0]
    for step, ring in enumerate(SECRET_STEPS):
        knows = signer in ring.split(",")
        assert refused(hosts[step], issued) == (set() if knows else ALL), step
        assert knows or abs(step - issuer) > 1


def test_credentials_that_were_used_since_outlive_the_old_secret(
    hosts: list[Service],
) -> None:
    first, _, third, last = hosts
    issued = issue(first)
    assert refused(last, issued) == ALL
    body = {"refresh_token": issued.refresh_token}
    pair = third.client.post("/auth/jwt/refresh", json=body).json()
    headers = bearer(pair["access_token"])
    assert last.client.get("/users/me", headers=headers).status_code == 200
    body = {"refresh_token": pair["refresh_token"]}
    assert last.client.post("/auth/jwt/refresh", json=body).status_code == 200
    # The use of a session is noted, and its cookie renewed, five minutes after the last time.
    before = clock.now() - timedelta(minutes=6)
    in_database(first.folder, "UPDATE user_session SET last_seen_at = :before", before=before)
    seen = third.client.get("/users/me", headers={"Cookie": issued.cookie})
    renewed = cookie_of(third, seen)
    assert last.client.get("/users/me", headers={"Cookie": renewed}).status_code == 200


def test_tokens_of_releases_before_0009_are_known_as_long(hosts: list[Service]) -> None:
    """They are signed with the secret itself."""
    later = clock.now() + timedelta(hours=1)
    issued = issue(hosts[0])
    claims = jwt.decode(issued.verify_token, options={"verify_signature": False})
    user = hosts[0].client.get("/users/me", headers=bearer(issued.access_token)).json()
    parts = f"verify\0{user['email']}"
    for secret in (OLD, NEW):
        proof = hmac.new(secret.encode(), parts.encode(), hashlib.sha256).hexdigest()
        legacy = {
            "session": {"sub": user["id"], "jti": issued.session_id},
            "verify": {"sub": claims["sub"], "proof": proof},
        }
        access, verify = (
            jwt.encode({**content, "aud": purpose, "exp": later}, secret, algorithm="HS256")
            for purpose, content in legacy.items()
        )
        for host, ring in zip(hosts, SECRET_STEPS, strict=True):
            knows = secret in ring.split(",")
            answer = host.client.get("/users/me", headers=bearer(access))
            assert answer.status_code == (200 if knows else 401)
            answer = host.client.post("/auth/verify", json={"token": verify})
            assert ("BAD_TOKEN" not in answer.text) == knows


def test_signing_keys_are_rotated_alike_from_derived_ones_too(tmp_path: Path) -> None:
    exported = run_command({"KEYSTEAD_SECRET_KEY": SECRET}, "keys", "export")
    p256, rsa = (run_command({}, "keys", "new", kind) for kind in ("p256", "rsa"))
    steps = (exported + p256, p256, p256 + rsa, rsa + p256, rsa)
    with open_hosts(tmp_path, {}, *({"signing_key": pem} for pem in steps)) as hosts:
        issued = [issue(host) for host in hosts]
        for step, host in enumerate(hosts):
            beside = issued[max(step - 1, 0) : step + 2]
            assert [refused(host, each) for each in beside] == [set()] * len(beside), step
        # Without the step between, a host refuses access tokens of the next: nothing else.
        assert refused(hosts[0], issued[2]) == {"access"}
        assert refused(hosts[2], issued[4]) == {"access"}
        assert refused(hosts[5], issued[2]) == {"access"}
        algorithms = [jwt.get_unverified_header(each.access_token)["alg"] for each in issued]
        assert algorithms == ["EdDSA", "EdDSA", "ES256", "ES256", "RS256", "RS256"]
