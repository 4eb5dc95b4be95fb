"""HEAD is answered as GET, without the body (RFC 9110, section 9.3.2)."""

import httpx2

from tests.service import METRICS_TOKEN, Service, bearer

OTHERS = ["/docs", "/openapi.json", "/verify", "/reset-password?token=x", "/nowhere", "/users/x"]
FILES = ["/static/keystead.css", "/static/nothing", "/swagger/swagger-ui.css"]

FIGURES = ("/metrics", "/admin/ticks")
"""Answers below these paths change between two requests."""


def facts(answer: httpx2.Response) -> tuple[int, dict[str, str]]:
    """Return the status and the headers, without those that differ from request to request."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return answer.status_code, {
        name: value for name, value in headers.items() if name not in ("date", "x-request-id")
    }


def test_head_is_get_without_the_body(service: Service) -> None:
    person = service.superuser()
    users = service.login(person)
    documented = service.client.get("/openapi.json").json()["paths"]
    paths = [
        path.replace("{id}", person.id).replace("{job}", "count")
        for path, operations in documented.items()
        if "get" in operations
    ]
    assert {"/users/me", "/metrics", "/health/ready"} < set(paths)
    for path in [*paths, *OTHERS, *FILES]:
        headers = bearer(METRICS_TOKEN) if path == "/metrics" else users
        for sent in (headers, {}):
            got = service.client.get(path, headers=sent)
            head = service.client.head(path, headers=sent)
            assert head.content == b"", path
            if not path.startswith(FIGURES):
                assert facts(head) == facts(got), path
            assert head.status_code == got.status_code


def test_head_of_a_route_without_get_is_refused(service: Service) -> None:
    answer = service.client.head("/auth/register")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_head_is_not_documented(service: Service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    assert not [path for path, operations in paths.items() if "head" in operations]
