"""Refresh tokens, which are read without a database."""

from uuid import UUID, uuid4

import pytest

from app.crypto.refresh_tokens import RefreshTokens

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

OLD, NEW = "o" * 32, "n" * 32
SESSION = UUID("01a220e9-1d4e-79e1-a75e-0229c1b576f4")


@pytest.mark.parametrize("counter", [0, 1, 255, 256, 2**31 - 1])
def test_a_token_is_read_as_it_was_written(counter: int) -> None:
    tokens, session_id = RefreshTokens(OLD), uuid4()
    token = tokens.write(session_id, counter)
    assert tokens.read(token) == (session_id, counter)
    assert token == tokens.write(session_id, counter)
    assert token.startswith("kr_")
    assert token.removeprefix("kr_").replace("-", "").replace("_", "").isalnum()


def test_a_token_with_any_other_character_is_refused() -> None:
    tokens = RefreshTokens(OLD)
    token = tokens.write(SESSION, 7)
    for place, character in enumerate(token):
        for other in ("A" if character != "A" else "B", "=", "+", "/", "é", "\0"):
            assert tokens.read(f"{token[:place]}{other}{token[place + 1 :]}") is None, place


def test_a_token_in_no_other_spelling_is_read() -> None:
    """A revoked token must not come back as another text: the last character has spare bits."""
    tokens = RefreshTokens(OLD)
    token = tokens.write(SESSION, 7)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    read = [last for last in alphabet if tokens.read(token[:-1] + last) is not None]
    assert read == [token[-1]]
    for text in ("", "kr_", f"{token}=", f" {token}", token[:-1], token.replace("kr_", "KR_")):
        assert tokens.read(text) is None


def test_the_first_secret_signs_and_the_others_are_valid_too() -> None:
    rotating = RefreshTokens(NEW, OLD)
    before, during = RefreshTokens(OLD).write(SESSION, 7), rotating.write(SESSION, 7)
    assert rotating.read(before) == rotating.read(during) == (SESSION, 7)
    assert RefreshTokens(NEW).read(during) is not None
    assert RefreshTokens(NEW).read(before) is None
    assert RefreshTokens(OLD).read(during) is None
