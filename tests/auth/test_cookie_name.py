"""Only a cookie of the exact name is the session's."""

import pytest
from starlette.requests import Request

from app.auth.cookie import read_cookie
from app.settings.model import Settings

pytestmark = pytest.mark.only("sqlite")

OTHERS = (b"\x85", b"\xa0", b"\x1c", b"\x0b", b"\x0c", b"=", b"x")


def read(*headers: bytes) -> str | None:
    settings = Settings(_env_file=None, base_url="https://id.camelot.bt")
    assert settings.cookie_name == "__Host-keystead"
    sent = [(b"cookie", header) for header in headers]
    return read_cookie(Request({"type": "http", "headers": sent}), settings)


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_a_name_with_another_byte_is_another_name(other: bytes) -> None:
    good, bad = b"__Host-keystead=good", b"__Host-keystead=bad"
    assert read(other + bad) is None
    assert read(bad.replace(b"d=", b"d" + other + b"=", 1)) != "bad"
    assert read(good + b"; " + other + bad) == read(other + bad + b";" + good) == "good"


def test_the_cookie_is_found_beside_others() -> None:
    good = b"__Host-keystead=good"
    for headers in ((good,), (b"a=b; \t" + good + b" ; c",), (b"a=b", good), (b";;=;" + good,)):
        assert read(*headers) == "good"
    assert read() is None
    for header in (b"", b"__Host-keystead", b"__Host-keystead=", b"keystead=x"):
        assert read(header) is None
