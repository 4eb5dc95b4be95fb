"""One password typed as composed and as decomposed characters, as a PC and a Mac send it."""

import asyncio
import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterator

import bcrypt
import pytest
from argon2 import PasswordHasher

from app.crypto.passwords import Passwords
from app.settings.model import Settings
from tests.crypto.test_passwords import store, stored
from tests.service import Service, in_process

pytestmark = pytest.mark.only("sqlite")

# Combined and single characters, Hangul, marks in another order.
WORDS = "Gwenhwyfár Å 각 q\u0323\u0307"
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, WORDS) for form in ("NFC", "NFD"))
OTHER = "Gwenhwyfar Å 각 q\u0323\u0307"
SPELLINGS = (COMPOSED, DECOMPOSED, WORDS.replace("Å", "\u212b"), WORDS[:-2] + "\u0307\u0323")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with in_process(tmp_path_factory.mktemp("spellings")) as running:
        yield running


@pytest.mark.parametrize("chosen", SPELLINGS)
def test_every_spelling_logs_in(service: Service, chosen: str) -> None:
    person = service.register(password=chosen)
    for typed in SPELLINGS:
        assert service.try_login(person.email, typed).status_code == 200
    assert service.try_login(person.email, OTHER).status_code == 400


def test_each_way_to_choose_a_password_takes_any_spelling(service: Service) -> None:
    person = service.register()
    headers = service.login(person)
    chosen = {"password": DECOMPOSED}
    assert service.client.patch("/users/me", json=chosen, headers=headers).status_code == 200
    assert service.try_login(person.email, COMPOSED).status_code == 200
    service.client.post("/auth/forgot-password", json={"email": person.email})
    service.token(person.email)  # of the verification
    chosen = {"token": service.token(person.email), "password": f"{DECOMPOSED}!"}
    assert service.client.post("/auth/reset-password", json=chosen).status_code == 200
    assert service.try_login(person.email, f"{COMPOSED}!").status_code == 200
    create = ("user", "create", "morgana@camelot.bt", "--password-stdin")
    service.command(*create, stdin=f"{DECOMPOSED}\n")
    assert service.try_login("morgana@camelot.bt", COMPOSED).status_code == 200


OLD = {
    "argon2, cheaper": lambda text: PasswordHasher(1, 64, 1).hash(text),
    "argon2, as ours": lambda text: PasswordHasher(2, 64, 1, salt_len=16).hash(text),
    "argon2, stronger": lambda text: PasswordHasher(3, 128, 2, hash_len=40).hash(text),
    "bcrypt": lambda text: bcrypt.hashpw(text.encode(), bcrypt.gensalt(4)).decode(),
}


@pytest.mark.parametrize("kind", OLD)
def test_a_hash_of_the_text_as_it_was_typed_is_replaced_at_login(
    service: Service, kind: str
) -> None:
    """Hashes that were made before passwords were normalised."""
    person = service.register()
    store(service, person, old := OLD[kind](DECOMPOSED))
    assert service.try_login(person.email, COMPOSED).status_code == 400
    assert service.try_login(person.email, OTHER).status_code == 400
    assert stored(service, person) == old
    for typed in (DECOMPOSED, COMPOSED, DECOMPOSED):
        assert service.try_login(person.email, typed).status_code == 200
    assert costs(stored(service, person)) >= costs(old)


def costs(hashed: str) -> int:
    """Return memory² times passes of an Argon2 hash; 0 of another."""
    if not hashed.startswith("$argon2id$"):
        return 0
    named = dict(one.split("=") for one in hashed.split("$")[3].split(","))
    return int(named["m"]) ** 2 * int(named["t"])


def test_a_password_of_characters_that_look_alike_is_another(service: Service) -> None:
    """NFC, not NFKC."""
    person = service.register(password="ﬁona’s password²")
    assert service.try_login(person.email, "fiona’s password2").status_code == 400


@pytest.mark.parametrize("longest", ["é" * 512, "\u0390" * 512, "각" * 341, "x" * 1_024])
def test_the_longest_password_has_every_spelling(service: Service, longest: str) -> None:
    person = service.register(password=longest)
    decomposed = unicodedata.normalize("NFD", longest)
    assert service.try_login(person.email, decomposed).status_code == 200
    other = service.register(password=decomposed)
    assert service.try_login(other.email, longest).status_code == 200


@pytest.mark.parametrize("password", ["é" * 7, "é" * 513, "\u0958" * 200])
def test_a_length_is_that_of_the_composed_form(service: Service, password: str) -> None:
    """Seven letters are too few, and 1,026 bytes too many; U+0958 has no composed form."""
    for typed in (password, unicodedata.normalize("NFD", password)):
        body = {"email": "king@camelot.bt", "password": typed}
        answer = service.client.post("/auth/register", json=body)
        assert answer.status_code == 400
        assert answer.json()["detail"]["code"] == "REGISTER_INVALID_PASSWORD"


def test_an_old_password_that_is_longer_in_nfc_still_logs_in(service: Service) -> None:
    person = service.register()
    typed = "\u0958" * 300
    store(service, person, PasswordHasher(2, 64, 1).hash(typed))
    for _ in range(2):
        assert service.try_login(person.email, typed).status_code == 200


def test_an_unknown_account_costs_as_many_hashes_in_every_spelling() -> None:
    """One, and one more where the text as it was typed has another form."""
    settings = Settings(_env_file=None, argon2_memory_kib=16_384, argon2_time_cost=3)
    passwords = Passwords(settings)
    known = asyncio.run(passwords.hash("another password"))

    def seconds(typed: str, stored: str | None) -> float:
        return min(cpu_seconds(lambda: passwords.verify(typed, stored)) for _ in range(5))

    try:
        once = seconds(COMPOSED, known)
        assert 0.6 < seconds(COMPOSED, None) / once < 1.5
        assert 1.5 < seconds(DECOMPOSED, known) / once < 2.6
        assert 1.5 < seconds(DECOMPOSED, None) / once < 2.6
    finally:
        passwords.close()


def cpu_seconds(work: Callable[[], Awaitable[object]]) -> float:
    async def run() -> float:
        before = time.process_time()
        await work()
        return time.process_time() - before

    return asyncio.run(run())
