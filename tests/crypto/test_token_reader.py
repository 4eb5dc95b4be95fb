"""The cache of verified tokens."""

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import time_machine

from app.crypto.token_reader import TokenReader

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")

EXPIRES_AT = datetime(2100, 1, 1, tzinfo=UTC)
CLAIMS = {"sub": "arthur", "exp": int(EXPIRES_AT.timestamp())}


@pytest.fixture
def decoded() -> list[tuple[str, ...]]:
    """The keys of the reads that were not answered by the cache."""
    return []


@pytest.fixture
def reader(decoded: list[tuple[str, ...]]) -> TokenReader:
    def decode(*key: str) -> dict[str, Any]:
        decoded.append(key)
        if key[-1] != "good":
            raise jwt.InvalidTokenError
        return dict(CLAIMS)

    return TokenReader(decode)


def test_a_token_is_decoded_once_for_each_purpose(
    reader: TokenReader, decoded: list[tuple[str, ...]]
) -> None:
    for _ in range(3):
        assert reader.read("a", "good") == reader.read("b", "good") == CLAIMS
    assert decoded == [("a", "good"), ("b", "good")]


def test_a_refused_token_is_not_kept(reader: TokenReader, decoded: list[tuple[str, ...]]) -> None:
    """Random texts would drive the good ones out."""
    assert reader.read("bad") is None
    assert reader.expired_at("bad") is None
    assert len(decoded) == 2


def test_a_cached_token_expires_to_the_second(reader: TokenReader) -> None:
    for seconds, expired in ((-1, False), (0, True), (1, True)):
        with time_machine.travel(EXPIRES_AT.timestamp() + seconds, tick=False):
            assert (reader.read("good") is None) == expired
            assert reader.expired_at("good") == (EXPIRES_AT if expired else None)


def test_a_token_that_is_too_long_is_not_decoded(
    reader: TokenReader, decoded: list[tuple[str, ...]]
) -> None:
    assert reader.read("purpose", "x" * 5_000) is None
    assert decoded == []


@pytest.mark.parametrize(
    "error", [jwt.DecodeError(), RecursionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "")]
)
def test_a_token_that_cannot_be_decoded_is_refused(error: Exception) -> None:
    def decode(token: str) -> dict[str, Any]:
        raise error

    assert TokenReader(decode).read("token") is None
