import json
import re
from typing import Any

from tests.service import Service

# fastapi-users' codes and ours; those of bodies, and of the database, are added to all.
OPERATIONS = {
    ("post", "/auth/jwt/login"): ("login", "200 400 422"),
    ("post", "/auth/jwt/logout"): ("logout", "204 401 403"),
    ("post", "/auth/register"): ("register", "201 400 422"),
    ("post", "/auth/forgot-password"): ("forgot_password", "202 422"),
    ("post", "/auth/reset-password"): ("reset_password", "200 400 422"),
    ("post", "/auth/request-verify-token"): ("request_verify_token", "202 422"),
    ("post", "/auth/verify"): ("verify", "200 400 422"),
    ("get", "/users/me"): ("get_me", "200 401"),
    ("patch", "/users/me"): ("update_me", "200 400 401 403 422"),
    ("get", "/users/{id}"): ("get_user", "200 401 403 404 422"),
    ("patch", "/users/{id}"): ("update_user", "200 400 401 403 404 409 422"),
    ("delete", "/users/{id}"): ("delete_user", "204 401 403 404 409 422"),
    ("get", "/users"): ("list_users", "200 401 403 422"),
    ("post", "/auth/jwt/refresh"): ("refresh", "200 401 422"),
    ("post", "/auth/token"): ("grant_token", "200 400 401 422"),
    ("post", "/auth/cookie/login"): ("cookie_login", "204 400 403 422"),
    ("post", "/auth/cookie/logout"): ("cookie_logout", "204 401 403"),
    ("get", "/users/me/sessions"): ("list_my_sessions", "200 401 422"),
    ("delete", "/users/me/sessions"): ("end_my_other_sessions", "204 401 403"),
    ("delete", "/users/me/sessions/{session_id}"): ("end_my_session", "204 401 403 404 422"),
    ("get", "/users/{id}/sessions"): ("list_user_sessions", "200 401 403 404 422"),
    ("delete", "/users/{id}/sessions"): ("end_user_sessions", "204 401 403 404 422"),
    ("get", "/.well-known/jwks.json"): ("show_keys", "200 304"),
    ("get", "/.well-known/oauth-authorization-server"): ("show_metadata", "200 304"),
    ("post", "/auth/introspect"): ("introspect", "200 401 404 422"),
    ("post", "/auth/revoke"): ("revoke", "200 422"),
    ("get", "/auth/forward"): ("forward", "200 401 403"),
    ("post", "/tick"): ("tick", "200 400 401 404 409 422 429 500"),
    ("get", "/metrics"): ("get_metrics", "200 401 404"),
    ("get", "/admin/ticks"): ("list_jobs", "200 401 403"),
    ("get", "/admin/ticks/{job}"): ("list_job_runs", "200 401 403 404 422"),
    ("get", "/health/live"): ("get_liveness", "200"),
    ("get", "/health/ready"): ("get_readiness", "200"),
}


def test_each_route_lists_its_answers(service: Service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    listed = {
        (method, path): (operation["operationId"], set(operation["responses"]))
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    expected = {}
    for (method, path), (name, codes) in OPERATIONS.items():
        bodies = "408 413 415" if method != "get" else ""
        database = "503" if path != "/health/live" else ""
        expected[method, path] = (name, set(f"{codes} {bodies} {database}".split()))
    assert listed == expected


def test_a_verified_address_may_be_required(strict_service: Service) -> None:
    paths = strict_service.client.get("/openapi.json").json()["paths"]
    for method, path in [
        ("get", "/users/me"),
        ("patch", "/users/me"),
        ("post", "/auth/jwt/logout"),
        ("get", "/auth/forward"),
    ]:
        assert "403" in paths[path][method]["responses"]


def test_each_error_has_a_schema_whose_codes_are_enumerated(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    codes: set[str] = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if status < "400" or (path, status) in REPORTS:
                    continue
                schema = answer["content"]["application/json"]["schema"]
                name = schema["$ref"].rpartition("/")[2]
                assert "detail" in schemas[name]["required"], (method, path, status)
                if status == "422":
                    continue
                found = enumerated(schemas[name]["properties"]["detail"])
                assert found, (method, path, status)
                codes |= found
    assert codes == {
        *["Unauthorized", "Forbidden", "LAST_SUPERUSER"],
        *("Not Found", "Request Timeout", "Content Too Large", "Unsupported Media Type"),
        "UNSUPPORTED_MEDIA_TYPE",
        *["REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED", "CSRF_FAILED"],
        *["REGISTER_USER_ALREADY_EXISTS", "REGISTER_INVALID_PASSWORD"],
        *["LOGIN_BAD_CREDENTIALS", "LOGIN_USER_NOT_VERIFIED"],
        *["RESET_PASSWORD_BAD_TOKEN", "RESET_PASSWORD_INVALID_PASSWORD"],
        *["VERIFY_USER_BAD_TOKEN", "VERIFY_USER_ALREADY_VERIFIED"],
        *["UPDATE_USER_EMAIL_ALREADY_EXISTS", "UPDATE_USER_INVALID_PASSWORD"],
        *["TICK_BAD_TIME", "TICK_UNKNOWN_JOB", "TICK_RUNNING", "TICK_TOO_OFTEN"],
        *["DATABASE_UNAVAILABLE", "PASSWORDS_BUSY", "OUT_OF_TIME"],
    }


# Answers that tell more than an error.
REPORTS = {("/tick", "500"), ("/health/ready", "503")}


def enumerated(schema: dict[str, Any]) -> set[str]:
    """Return every code of the schema of a `detail`."""
    nested = [*schema.get("anyOf", []), *schema.get("properties", {}).values()]
    return {*schema.get("enum", []), *(code for one in nested for code in enumerated(one))}


def test_what_may_be_left_out_is_not_required(service: Service) -> None:
    """Generators take a member with a default for one that must be sent."""
    document = service.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert '"default"' not in json.dumps(schemas)
    assert schemas["UserRegister"]["required"] == ["email", "password"]
    assert "required" not in schemas["UserUpdate"]
    assert schemas["Body_login"]["required"] == ["username", "password"]
    assert set(schemas["UserRead"]["required"]) == set(schemas["UserRead"]["properties"])
    assert set(schemas["AccessToken"]["required"]) == set(schemas["AccessToken"]["properties"])


def test_the_document_names_the_service(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    (server,) = document["servers"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server["url"])
    content = document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert next(iter(content)) == "text/plain"
    for name in ("UserRegister", "UserUpdate", "UserUpdateMe", "UserRead", "AccessToken"):
        assert document["components"]["schemas"][name]["examples"], name


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
        key
        for key in OPERATIONS
        if key[1].startswith(("/users", "/admin", "/auth/forward")) or key[1].endswith("/logout")
    }
    assert schema["components"]["securitySchemes"]["SessionCookie"]["in"] == "cookie"


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


def test_the_documentation_keeps_no_password(service: Service) -> None:
    """tox -e clients runs the page."""
    script = service.client.get("/static/docs.js").text
    assert "persistAuthorization" not in script
    assert 'localStorage.removeItem("authorized")' in script
