"""Signed tokens, and the cache of verified ones."""

import time
from datetime import timedelta

import pytest

from app import clock
from app.crypto.tokens import Signer

# Independent of the database.
pytestmark = pytest.mark.only("sqlite")


def test_a_cached_token_expires() -> None:
    signer = Signer("s" * 32)
    token = signer.sign("reset", clock.now() + timedelta(seconds=2), sub="arthur")
    assert signer.verify("reset", token) is not None
    deadline = time.monotonic() + 10
    while signer.verify("reset", token) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_cached_token_is_valid_for_its_audience_and_key_alone() -> None:
    signer, later = Signer("s" * 32), clock.now() + timedelta(hours=1)
    token = signer.sign("session", later, sub="arthur")
    assert signer.verify("session", token) is not None
    assert signer.verify("reset", token) is None
    assert Signer("t" * 32).verify("session", token) is None
    assert signer.verify("session", token[:-2] + ("AA" if token[-2:] != "AA" else "BB")) is None


def test_cached_claims_cannot_be_changed() -> None:
    signer = Signer("s" * 32)
    token = signer.sign("session", clock.now() + timedelta(hours=1), sub="arthur")
    claims = signer.verify("session", token)
    with pytest.raises(TypeError):
        claims["sub"] = "mordred"  # type: ignore[index]
    assert dict(signer.verify("session", token) or {})["sub"] == "arthur"


def test_a_token_that_is_too_long_is_not_read() -> None:
    signer = Signer("x" * 40)
    later = clock.now() + timedelta(minutes=1)
    assert signer.verify("a", signer.sign("a", later, sub="b" * 1_000)) is not None
    assert signer.verify("a", signer.sign("a", later, sub="b" * 4_096)) is None


def test_the_first_secret_signs_and_the_others_are_valid_too() -> None:
    old, new, later = "o" * 32, "n" * 32, clock.now() + timedelta(hours=1)
    rotating = Signer(new, old)
    before, during = Signer(old).sign("a", later, sub="b"), rotating.sign("a", later, sub="b")
    assert rotating.verify("a", before) is not None
    assert Signer(old, new).verify("a", during) is not None
    assert Signer(new).verify("a", during) is not None
    assert Signer(new).verify("a", before) is None
    assert Signer(old).verify("a", during) is None
    assert rotating.verify("other", before) is None
    mark = Signer(old).fingerprint("x", "y")
    assert rotating.is_fingerprint(mark, "x", "y")
    assert not rotating.is_fingerprint(mark, "x", "z")
    assert not Signer(new).is_fingerprint(mark, "x", "y")
    assert rotating.fingerprint("x") == Signer(new).fingerprint("x")
