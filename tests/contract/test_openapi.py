import re

from tests.service import Service

# fastapi-users' codes, and ours: 409 for the last superuser.
CODES = {
    ("post", "/auth/jwt/login"): "200 400 415 422",
    ("post", "/auth/jwt/logout"): "204 401",
    ("post", "/auth/register"): "201 400 422",
    ("post", "/auth/forgot-password"): "202 422",
    ("post", "/auth/reset-password"): "200 400 422",
    ("post", "/auth/request-verify-token"): "202 422",
    ("post", "/auth/verify"): "200 400 422",
    ("get", "/users/me"): "200 401",
    ("patch", "/users/me"): "200 400 401 422",
    ("get", "/users/{id}"): "200 401 403 404 422",
    ("patch", "/users/{id}"): "200 400 401 403 404 409 422",
    ("delete", "/users/{id}"): "204 401 403 404 409 422",
    ("get", "/users"): "200 401 403 422",
    ("post", "/tick"): "200 400 401 404 409 422 429 500",
    ("get", "/metrics"): "200 401 404",
    ("get", "/admin/ticks"): "200 401 403",
    ("get", "/admin/ticks/{job}"): "200 401 403 404 422",
    ("get", "/health/live"): "200",
    ("get", "/health/ready"): "200 503",
}


def test_each_route_lists_its_answers(service: Service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    listed = {
        (method, path): " ".join(sorted(operation["responses"]))
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert listed == CODES


def test_the_security_scheme(service: Service) -> None:
    schema = service.client.get("/openapi.json").json()
    scheme = schema["components"]["securitySchemes"]["OAuth2PasswordBearer"]
    assert scheme["type"] == "oauth2"
    assert scheme["flows"]["password"]["tokenUrl"] == "auth/jwt/login"
    guarded = {
        (method, path)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if {"OAuth2PasswordBearer": []} in operation.get("security", [])
    }
    assert guarded == {
        key for key in CODES if key[1].startswith(("/users", "/admin", "/auth/jwt/logout"))
    }


def test_a_body_offers_the_fields_that_are_taken(service: Service) -> None:
    """The flags that clients may send besides, and that are ignored, are not offered."""
    document = service.client.get("/openapi.json").json()
    own, flags = {"email", "password"}, {"is_active", "is_superuser", "is_verified"}
    for method, path, offered in (
        ("post", "/auth/register", own),
        ("patch", "/users/me", own),
        ("patch", "/users/{id}", own | flags),
    ):
        body = document["paths"][path][method]["requestBody"]["content"]["application/json"]
        name = body["schema"]["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
        assert set(schema["properties"]) == offered
        assert set(schema.get("required", ())) == (own if method == "post" else set())


def test_operations_have_names_of_their_own(service: Service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    names = [operation["operationId"] for ops in paths.values() for operation in ops.values()]
    assert len(names) == len(set(names))


def test_the_documentation_needs_no_other_host(service: Service) -> None:
    page = service.client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        file = service.client.get(f"/{path}")
        assert file.status_code == 200
        assert file.headers["cache-control"] == "no-cache"
