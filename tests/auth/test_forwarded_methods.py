"""The method that a proxy asks `GET /auth/forward` for, as it decides about cross-site requests."""

from pathlib import Path

import pytest

from tests.service import Service, in_process

pytestmark = pytest.mark.only("sqlite")

OURS, OTHERS = "X-Original-Method", "X-Forwarded-Method"
URL = "https://id.example.org"


def log_in(service: Service) -> None:
    """Let the service's client keep the cookie of a new account."""
    person = service.register()
    form = {"username": person.email, "password": person.password}
    own = {"Sec-Fetch-Site": "same-origin"}
    assert service.client.post("/auth/cookie/login", data=form, headers=own).status_code == 204


def test_a_client_does_not_choose_the_method(tmp_path: Path) -> None:
    """It can send the header that its proxy does not set, and that one replaces none."""
    with in_process(tmp_path) as service:
        log_in(service)
        for sent, status in [
            ([], 200),
            ([(OURS, "GET")], 200),
            ([(OTHERS, "get")], 200),
            ([(OTHERS, "POST")], 403),
            ([(OURS, "GET"), (OTHERS, "POST")], 403),
            ([(OURS, "POST"), (OTHERS, "GET")], 403),
            ([(OURS, ""), (OTHERS, "POST")], 403),
            ([(OURS, "GET"), (OURS, "POST")], 403),
        ]:
            headers = [("Sec-Fetch-Site", "cross-site"), *sent]
            assert service.client.get("/auth/forward", headers=headers).status_code == status, sent


def test_a_page_of_another_origin_opens_no_websocket(tmp_path: Path) -> None:
    """Its handshake is a GET, for which browsers ask no preflight."""
    with in_process(tmp_path, base_url=URL) as service:
        service.client.base_url = URL
        log_in(service)
        handshake = {OURS: "GET", "Sec-WebSocket-Version": "13"}
        for origin, status in [
            (URL, 200),
            ("https://evil.example.org", 403),
            ("null", 403),
        ]:
            headers = handshake | {"Origin": origin}
            assert service.client.get("/auth/forward", headers=headers).status_code == status
