"""Tokens that were found right once, and are remembered."""

import time
from datetime import timedelta

import pytest

from app import clock
from app.signing import Signer

# No database has a part in it.
pytestmark = pytest.mark.only("sqlite")


def test_a_remembered_token_runs_out_all_the_same() -> None:
    signer = Signer("s" * 32)
    token = signer.sign("reset", clock.now() + timedelta(seconds=2), sub="arthur")
    assert signer.read("reset", token) is not None
    deadline = time.monotonic() + 10
    while signer.read("reset", token) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_remembered_token_is_good_for_nothing_else_and_nobody_else() -> None:
    signer, later = Signer("s" * 32), clock.now() + timedelta(hours=1)
    token = signer.sign("session", later, sub="arthur")
    assert signer.read("session", token) is not None
    assert signer.read("reset", token) is None
    assert Signer("t" * 32).read("session", token) is None
    assert signer.read("session", token[:-2] + ("AA" if token[-2:] != "AA" else "BB")) is None


def test_what_is_remembered_cannot_be_changed() -> None:
    signer = Signer("s" * 32)
    token = signer.sign("session", clock.now() + timedelta(hours=1), sub="arthur")
    claims = signer.read("session", token)
    with pytest.raises(TypeError):
        claims["sub"] = "mordred"  # type: ignore[index]
    assert dict(signer.read("session", token) or {})["sub"] == "arthur"
