"""Links and tokens of mails: pasted with white space, opened late, submitted twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest

from app import clock
from tests.service import SECRET, Account, Service, in_process, text_of, token_in

NEW = "a new password"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with in_process(tmp_path_factory.mktemp("links")) as running:
        yield running


@pytest.fixture
def person(service: Service) -> Account:
    return service.register()


def verify_token(service: Service, person: Account) -> str:
    return service.token(person.email)


def reset_token(service: Service, person: Account) -> str:
    service.client.post("/auth/forgot-password", json={"email": person.email})
    while "/reset-password?" not in text_of(letter := service.letter(person.email)):
        pass  # the verification
    return token_in(letter)


def expired(token: str) -> str:
    """Return the token as it would be after its time."""
    claims = jwt.decode(token, options={"verify_signature": False})
    late = {"exp": clock.now() - timedelta(seconds=1)}
    return jwt.encode(claims | late, SECRET, algorithm="HS256")


def is_verified(service: Service, person: Account, password: str) -> bool:
    headers = service.login(Account(person.id, person.email, password))
    found: bool = service.client.get("/users/me", headers=headers).json()["is_verified"]
    return found


PASTED = {
    "a newline": "{}\n",
    "blanks": "  {}\t",
    "Windows' line break": "\r\n{}\r\n",
    "no-break spaces": "\u00a0{}\u202f",
    "a byte order mark": "\ufeff{}",
    "zero-width spaces": "\u200b{}\u2060",
}


def wrapped(token: str, end: str) -> str:
    """Return a token in lines of 60 characters."""
    return end.join(token[start : start + 60] for start in range(0, len(token), 60))


def pasted(token: str) -> list[str]:
    ends = ("\n", "\r\n", "\n    ", " ", "\u200b", "\u00ad")
    return [shape.format(token) for shape in PASTED.values()] + [wrapped(token, e) for e in ends]


@pytest.mark.only("sqlite")
def test_a_pasted_token_verifies_an_address(service: Service, person: Account) -> None:
    for text in pasted(verify_token(service, person)):
        answer = service.client.post("/auth/verify", json={"token": text})
        # Read once, it says so; before, that the token is bad.
        assert answer.status_code == 200 or answer.json()["detail"].endswith("ALREADY_VERIFIED")
        assert "confirmed" in service.client.post("/verify", data={"token": text}).text
        assert "confirmed" in service.client.get("/verify", params={"token": text}).text


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("number", [*range(len(PASTED)), -6, -5])
def test_a_pasted_token_resets_a_password(service: Service, person: Account, number: int) -> None:
    body = {"token": pasted(reset_token(service, person))[number], "password": NEW}
    assert service.client.post("/auth/reset-password", json=body).status_code == 200
    assert service.try_login(person.email, NEW).status_code == 200


@pytest.mark.only("sqlite")
def test_a_token_with_other_characters_within_is_another(service: Service, person: Account) -> None:
    token = verify_token(service, person)
    for other in (f"{token[:9]}\0{token[9:]}", f"<{token}>", token + " " * 4_096):
        answer = service.client.post("/auth/verify", json={"token": other})
        assert answer.json() == {"detail": "VERIFY_USER_BAD_TOKEN"}


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("blanks", ["Bearer  {}", "Bearer {} ", "Bearer \t{}\t", "bearer   {}"])
def test_blanks_around_a_bearer_token(service: Service, person: Account, blanks: str) -> None:
    """RFC 9110, section 11.4: one or more blanks."""
    token = service.login(person)["Authorization"].removeprefix("Bearer ")
    headers = {"Authorization": blanks.format(token)}
    assert service.client.get("/users/me", headers=headers).status_code == 200


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("blanks", [" {}", "{}\n", "\u00a0{}\t", "\ufeff{}", "{}\u200b"])
def test_blanks_around_an_address(service: Service, person: Account, blanks: str) -> None:
    typed = blanks.format(person.email)
    assert service.try_login(typed, person.password).status_code == 200
    body = {"email": typed, "password": NEW}
    known = service.client.post("/auth/register", json=body)
    assert known.json() == {"detail": "REGISTER_USER_ALREADY_EXISTS"}
    for path in ("/auth/request-verify-token", "/auth/forgot-password"):
        assert service.client.post(path, json={"email": typed}).status_code == 202
    while "/reset-password?" not in text_of(service.letter(person.email)):
        pass


@pytest.mark.only("sqlite")
def test_a_reset_verifies_the_address_that_its_mail_was_sent_to(
    service: Service, person: Account
) -> None:
    unverified = verify_token(service, person)
    body = {"token": reset_token(service, person), "password": NEW}
    assert service.client.post("/auth/reset-password", json=body).status_code == 200
    assert is_verified(service, person, NEW)
    answer = service.client.post("/auth/verify", json={"token": unverified})
    assert answer.json() == {"detail": "VERIFY_USER_ALREADY_VERIFIED"}


@pytest.mark.only("sqlite")
def test_a_refused_reset_verifies_nothing(service: Service, person: Account) -> None:
    token = reset_token(service, person)
    refused = {"token": token, "password": "short"}
    assert service.client.post("/auth/reset-password", json=refused).status_code == 400
    assert not is_verified(service, person, person.password)
    moved = {"email": f"new-{person.email}"}
    service.client.patch("/users/me", json=moved, headers=service.login(person))
    late = {"token": token, "password": NEW}
    assert service.client.post("/auth/reset-password", json=late).status_code == 400
    assert not is_verified(service, Account(person.id, moved["email"]), person.password)


def submit(service: Service, token: str, password: str) -> Any:
    return service.client.post("/reset-password", data={"token": token, "password": password})


def test_a_reset_that_is_submitted_again_has_succeeded(service: Service, person: Account) -> None:
    """Two clicks at once, and a reload."""
    token = reset_token(service, person)
    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: submit(service, token, NEW), range(4)))
    for answer in (*answers, submit(service, token, NEW)):
        assert answer.status_code == 200
        assert "Your password is changed" in answer.text
    changed = [one for one in service.letters(person.email) if "changed" in str(one["Subject"])]
    assert len(changed) <= 1


@pytest.mark.only("sqlite")
def test_a_used_token_does_nothing(service: Service, person: Account) -> None:
    token = reset_token(service, person)
    submit(service, token, NEW)
    headers = service.login(Account(person.id, person.email, NEW))
    for password in ("another password", person.password, "", "short"):
        answer = submit(service, token, password)
        assert answer.status_code == 400
        assert "does not work" in answer.text
    again = service.client.post("/auth/reset-password", json={"token": token, "password": NEW})
    assert again.json() == {"detail": "RESET_PASSWORD_BAD_TOKEN"}
    assert "is changed" in submit(service, token, NEW).text
    assert service.client.get("/users/me", headers=headers).status_code == 200
    assert "does not work" in submit(service, expired(token), NEW).text
    superuser = service.login(service.superuser())
    off = {"is_active": False}
    service.client.patch(f"/users/{person.id}", json=off, headers=superuser)
    assert "does not work" in submit(service, token, NEW).text


@pytest.mark.only("sqlite")
def test_a_link_that_cannot_work_says_so_before_a_password_is_typed(
    service: Service, person: Account
) -> None:
    token = reset_token(service, person)
    access = service.login(person)["Authorization"].removeprefix("Bearer ")

    def opened(text: str) -> str:
        page = service.client.get("/reset-password", params={"token": text})
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        return page.text

    for bad in ("", "x", expired(token), token[:-1], access):
        assert "does not work" in opened(bad)
        assert 'type="password"' not in opened(bad)
    for _ in range(3):  # link scanners
        assert 'type="password"' in opened(token)
    assert submit(service, token, NEW).status_code == 200
    assert "does not work" in opened(token)
    assert person.email not in opened(token)


@pytest.mark.only("sqlite")
def test_a_link_to_verify_says_before_the_button_what_it_can_do(
    service: Service, person: Account
) -> None:
    token = verify_token(service, person)

    def opened(text: str) -> str:
        return service.client.get("/verify", params={"token": text}).text

    assert "does not work" in opened(expired(token))
    assert "<button>" not in opened(expired(token))
    assert "<button>" in opened(token)
    assert not is_verified(service, person, person.password)
    service.client.post("/verify", data={"token": token})
    assert "Already confirmed" in opened(token)
