"""Bodies of another type than the route takes: understood, or answered with the type to send."""

import json
from collections.abc import Iterator

import pytest

from tests.service import PASSWORD, TICK_TOKEN, Service, bearer, in_process, new_address

pytestmark = pytest.mark.only("sqlite")

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with in_process(tmp_path_factory.mktemp("types")) as running:
        yield running


@pytest.mark.parametrize("kind", ["application/json", "", "text/plain", FORM, f"{FORM};charset=x"])
@pytest.mark.parametrize("body", [b'{"username": "a@b.bt", "password": "x"}', b" {}", b'{"a'])
def test_a_login_in_json_is_told_the_type_to_send(service: Service, kind: str, body: bytes) -> None:
    headers = {"Content-Type": kind}
    answer = service.client.post("/auth/jwt/login", content=body, headers=headers)
    assert answer.status_code == 415
    assert answer.headers["accept"] == f"{FORM}, multipart/form-data"
    reason = f"Send the body as {FORM}"
    assert answer.json() == {
        "detail": {"code": "UNSUPPORTED_MEDIA_TYPE", "reason": reason},
        "error": "invalid_request",
        "error_description": reason,
    }


@pytest.mark.parametrize("kind", [FORM, FORM.upper(), f"{FORM}; charset=UTF-8"])
def test_a_form_of_any_spelling_logs_in(service: Service, kind: str) -> None:
    person = service.register()
    body = f"username={person.email}&password={PASSWORD}".replace(" ", "+").encode()
    headers = {"Content-Type": kind}
    answer = service.client.post("/auth/jwt/login", content=body, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "", FORM])
def test_a_login_without_a_body_lacks_fields(service: Service, kind: str) -> None:
    answer = service.client.post("/auth/jwt/login", headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert [one["loc"] for one in answer.json()["detail"]] == [
        ["body", "username"],
        ["body", "password"],
    ]


def tick(service: Service, body: bytes, token: str = TICK_TOKEN) -> tuple[int, str]:
    """Send `curl -d BODY`."""
    headers = bearer(token) | {"Content-Type": FORM}
    answer = service.client.post("/tick", content=body, headers=headers)
    return answer.status_code, answer.text


def test_a_tick_by_curl_is_read_as_json(service: Service) -> None:
    assert tick(service, b"{}")[0] == 200
    assert tick(service, b"")[0] == 200
    status, said = tick(service, b'\n{"job": "purge"}')
    assert (status, [one["job"] for one in json.loads(said)["jobs"]]) == (200, ["purge"])
    assert "TICK_UNKNOWN_JOB" in tick(service, b'{"job": "conquer"}')[1]


def test_a_tick_by_curl_is_guarded_and_checked_as_json(service: Service) -> None:
    assert tick(service, b"{}", token="wrong")[0] == 401
    assert tick(service, b'{"job"', token="wrong")[0] == 401
    for body in (b'{"job"', b'{"jobb": "purge"}', b"{" * 50_000, b'{"job": NaN}', b"job=purge"):
        assert tick(service, body)[0] == 422


def test_json_by_curl_is_read_on_other_routes_too(service: Service) -> None:
    body = json.dumps({"email": new_address(), "password": PASSWORD}).encode()
    headers = {"Content-Type": FORM}
    answer = service.client.post("/auth/register", content=body, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize("path", ["/auth/register", "/auth/verify", "/tick"])
@pytest.mark.parametrize(
    ("kind", "body"), [(FORM, b"token=x&email=y"), ("text/plain", b"{}"), ("x", b"\xff\x00")]
)
def test_a_body_that_is_not_json_is_told_the_type_to_send(
    service: Service, path: str, kind: str, body: bytes
) -> None:
    headers = {"Content-Type": kind} | bearer(TICK_TOKEN)
    answer = service.client.post(path, content=body, headers=headers)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["body"]
    assert "application/json" in problem["msg"]
    assert problem["input"] is None
