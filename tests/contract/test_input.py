"""Hostile input: a clear 4xx, and nothing is stored."""

from typing import Any

import pytest

from tests.service import PASSWORD, Account, Service, new_address

JSON = {"Content-Type": "application/json"}
JSON_ROUTES = [
    ("POST", "/auth/register"),
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/reset-password"),
    ("POST", "/auth/request-verify-token"),
    ("POST", "/auth/verify"),
    ("PATCH", "/users/me"),
]
BODIES = {
    "truncated": b'{"email": "king@came',
    "not JSON": b"email=king@camelot.bt",
    "not UTF-8": b'{"email": "k\xff\xfe@camelot.bt", "password": "excalibur 1"}',
    "UTF-16": '{"email": "king@camelot.bt", "password": "excalibur 1"}'.encode("utf-16"),
    "NaN": b'{"email": NaN, "password": Infinity, "token": -Infinity}',
    "huge number": b'{"email": 1e999, "password": 1e999, "token": 1e999}',
    "long number": b'{"email": ' + b"9" * 5_000 + b"}",
    "deep": b"[" * 30_000,
    "deep and whole": b"[" * 20_000 + b"]" * 20_000,
    "rather deep": b"[" * 400 + b"]" * 400,
    "deep in a field": b'{"email":' + b"[" * 400 + b"]" * 400 + b',"token":{"a":{}}}',
    "lone surrogate": b'{"email": "\\ud800@camelot.bt", "password": "\\udfff", "token": "\\ud800"}',
    "NUL": b'{"email": "k\\u0000@camelot.bt", "password": 1, "token": ["\\u0000"]}',
    "array": b"[]",
    "number": b"7",
    "null": b"null",
    "byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_bodies(
    service: Service, headers: dict[str, str], method: str, path: str, body: bytes
) -> None:
    answer = service.client.request(method, path, content=body, headers=JSON | headers)
    assert answer.status_code == 422, answer.text
    assert all(problem["msg"] for problem in answer.json()["detail"])


@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
def test_binary_with_another_content_type(
    service: Service, headers: dict[str, str], method: str, path: str
) -> None:
    for kind in ("text/plain", "application/octet-stream", "multipart/form-data", "x"):
        sent = {"Content-Type": kind} | headers
        answer = service.client.request(method, path, content=b"\xff\x00\xfe", headers=sent)
        assert answer.status_code == 422


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"username=%ff%fe&password=%00%ff"),
        ("application/x-www-form-urlencoded", b"\xff\xfe=\x00&&&==="),
        ("application/x-www-form-urlencoded", b"&" * 5_000),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"\xff\x00"),
    ],
)
def test_forms(service: Service, kind: str, body: bytes) -> None:
    answer = service.client.post("/auth/jwt/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


def test_a_file_is_no_username(service: Service) -> None:
    files = {"username": ("king", b"king@camelot.bt"), "password": ("x", b"\xff\x00")}
    assert service.client.post("/auth/jwt/login", files=files).status_code == 422


@pytest.mark.parametrize(
    "path", ["/auth/register", "/auth/jwt/login", "/users/me", "/tick", "/verify"]
)
def test_large_bodies(service: Service, path: str) -> None:
    method = "PATCH" if path == "/users/me" else "POST"
    large = b"x" * 70_000

    def in_pieces() -> Any:
        for _ in range(70):
            yield b"x" * 1_000

    for content in (large, in_pieces()):
        answer = service.client.request(method, path, content=content, headers=JSON)
        assert answer.status_code == 413
        assert answer.json()["detail"] == "Content Too Large"


def test_an_address_that_cannot_be_stored_leaves_nothing(
    service: Service, person: Account, admin: dict[str, str]
) -> None:
    long = "ﷺ" * 20 + "@camelot.bt"  # each folds to eighteen letters
    body = {"email": long, "password": PASSWORD}
    assert service.client.post("/auth/register", json=body).status_code == 422
    page = service.client.get("/users", params={"q": long[:20]}, headers=admin).json()
    assert page["items"] == []


@pytest.mark.parametrize("name", ["🗡️", "кинг", "王", "ﬁ", "ß", "İ", "k+tag", "o'neill"])
def test_addresses_of_the_whole_world(service: Service, name: str) -> None:
    person = service.register(f"{name}{new_address()}")
    assert service.client.get("/users/me", headers=service.login(person)).status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/users/me", "GET, HEAD, PATCH"),
        ("/users/00000000-0000-7000-8000-000000000000", "DELETE, GET, HEAD, PATCH"),
        ("/auth/register", "POST"),
        ("/verify", "GET, HEAD, POST"),
        ("/health/live", "GET, HEAD"),
    ],
)
def test_wrong_method(service: Service, path: str, allowed: str) -> None:
    answer = service.client.request("PUT", path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json() == {"detail": "Method Not Allowed"}


def test_no_such_route(service: Service) -> None:
    answer = service.client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "Not Found"}


def test_every_answer_has_the_security_headers(service: Service) -> None:
    seen = set()
    for path in ("/health/live", "/nowhere", "/users/me", "/verify"):
        answer = service.client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == 4


@pytest.mark.parametrize(
    "name", ["=?utf-8?q?x?=", "=?utf-8?b?eA?=", "=?utf-8?q?evil=40evil.com=2C_x?="]
)
def test_an_encoded_word_is_no_address(service: Service, name: str) -> None:
    """A mail server could decode it, and deliver to another address."""
    body = {"email": f"{name}@camelot.bt", "password": PASSWORD}
    assert service.client.post("/auth/register", json=body).status_code == 422
    assert service.client.post("/auth/forgot-password", json=body).status_code == 422


@pytest.mark.parametrize("depth", [33, 100, 900, 941, 943, 945, 1000])
def test_every_depth(service: Service, depth: int) -> None:
    body = b'{"email":' * 1 + b"[" * depth + b"]" * depth + b"}"
    answer = service.client.post("/auth/register", content=body, headers=JSON)
    assert answer.status_code == 422
    assert "nested too deeply" in answer.json()["detail"][0]["msg"]


def test_an_empty_content_type_counts_as_json(service: Service) -> None:
    body = b'{"email": "k@camelot.bt", "password": "\\ud800 and more"}'
    answer = service.client.post("/auth/register", content=body, headers={"Content-Type": ""})
    assert answer.status_code == 422


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "rot13", "nonsense", "utf-16"])
def test_forms_in_odd_charsets(service: Service, person: Account, charset: str) -> None:
    for field in ("username", "password"):
        other = {"username": "password", "password": "username"}[field]
        body = "".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in {field: "\\ud800", other: person.email}.items()
        )
        kind = f"multipart/form-data; boundary=x; charset={charset}"
        answer = service.client.post(
            "/auth/jwt/login", content=f"{body}--x--\r\n".encode(), headers={"Content-Type": kind}
        )
        assert answer.status_code in (400, 422)


def test_wrong_method_on_a_file(service: Service) -> None:
    for path in ("/static/keystead.css", "/static/nothing", "/swagger/swagger-ui.css"):
        answer = service.client.post(path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"
