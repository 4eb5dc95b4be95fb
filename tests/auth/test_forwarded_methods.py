"""The method that a proxy asks `GET /auth/forward` for, as it decides about cross-site requests."""

from pathlib import Path

import pytest

from tests.service import in_process

pytestmark = pytest.mark.only("sqlite")

OURS, OTHERS = "X-Original-Method", "X-Forwarded-Method"


def test_a_client_does_not_choose_the_method(tmp_path: Path) -> None:
    """It can send the header that its proxy does not set, and that one replaces none."""
    with in_process(tmp_path) as service:
        person = service.register()
        form = {"username": person.email, "password": person.password}
        own = {"Sec-Fetch-Site": "same-origin"}
        service.client.post("/auth/cookie/login", data=form, headers=own)
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
