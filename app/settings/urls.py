"""URLs among the settings: the hosts of this machine, and special characters, written as %XX."""

import re

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names and addresses of this machine."""

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def refuse_raw_characters(url: str) -> None:
    """Raise ValueError for a character that a URL must have as %XX (RFC 3986, section 2.1).

    In a user name or password such a character would end the password, or the host. The message
    never quotes the URL.
    """
    rest = url.partition(":")[2].removeprefix("//")
    login = rest.rpartition("@")[0]
    for character in "/?#@[]":
        if character in login:
            raise ValueError(
                f"{character} before the host's @ has another meaning: "
                f"in a user name or password write it as %{ord(character):02X}"
            )
    if "#" in rest:
        raise ValueError("# has another meaning: write it as %23")
    if _STRAY_PERCENT.search(login):
        raise ValueError("% begins a character's code: write it as %25 in a user name or password")
    if any(character.isspace() or not character.isprintable() for character in login):
        raise ValueError("a blank or control character: in a user name or password as %XX")
