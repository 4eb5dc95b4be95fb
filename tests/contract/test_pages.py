import re
from html import unescape

import pytest

from tests.service import Account, Service, text_of


def link_in(service: Service, address: str, page: str) -> str:
    """Return path and query of the link in the next mail that has one to `page`."""
    while True:
        link = re.search(rf"(/{page}\?token=\S+)", text_of(service.letter(address)))
        if link:
            return link.group(1)


def hidden_token(html: str) -> str:
    field = re.search(r'name="token" value="([^"]*)"', html)
    assert field is not None
    return unescape(field.group(1))


def test_opening_the_link_changes_nothing_and_the_button_verifies(
    service: Service, person: Account, headers: dict[str, str]
) -> None:
    link = link_in(service, person.email, "verify")
    for _ in range(3):  # link scanners
        page = service.client.get(link)
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
    assert service.client.get("/users/me", headers=headers).json()["is_verified"] is False
    form = {"token": hidden_token(page.text)}
    answer = service.client.post("/verify", data=form)
    assert answer.status_code == 200
    assert person.email in answer.text
    assert service.client.get("/users/me", headers=headers).json()["is_verified"] is True
    assert service.client.post("/verify", data=form).status_code == 200


def test_a_new_password(service: Service, person: Account, headers: dict[str, str]) -> None:
    service.client.post("/auth/forgot-password", json={"email": person.email})
    link = link_in(service, person.email, "reset-password")
    page = service.client.get(link)
    assert page.status_code == 200
    token = hidden_token(page.text)
    short = service.client.post("/reset-password", data={"token": token, "password": "short"})
    assert short.status_code == 400
    assert "at least 8 characters" in short.text
    assert hidden_token(short.text) == token
    assert service.client.get("/users/me", headers=headers).status_code == 200
    new = {"token": token, "password": "a new password"}
    assert service.client.post("/reset-password", data=new).status_code == 200
    assert service.client.get("/users/me", headers=headers).status_code == 401
    assert service.try_login(person.email, "a new password").status_code == 200
    again = new | {"password": "yet another one"}
    assert service.client.post("/reset-password", data=again).status_code == 400


@pytest.mark.parametrize("page", ["/verify", "/reset-password"])
@pytest.mark.parametrize("token", ["", "x", '"><script>alert(1)</script>', "é\0"])
def test_bad_links(service: Service, page: str, token: str) -> None:
    shown = service.client.get(page, params={"token": token})
    assert shown.status_code == 200
    assert "<script" not in shown.text
    answer = service.client.post(page, data={"token": token, "password": "long enough"})
    assert answer.status_code == 400
    assert "does not work" in answer.text


def test_the_style_sheet(service: Service) -> None:
    page = service.client.get("/verify")
    # Browsers enforce each of these headers.
    (policy,) = page.headers.get_list("content-security-policy")
    assert "style-src 'self'" in policy
    answer = service.client.get("/static/keystead.css")
    assert answer.status_code == 200
    assert "text/css" in answer.headers["content-type"]
