"""The longest text of each kind that is taken from outside.

Checked before a text is normalised, parsed or matched, which can take time in the square of its
length: the Unicode normalisation of 30,000 combining marks takes a second.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Longest:
    """The most characters, and the most bytes in UTF-8, of one kind of text."""

    characters: int
    bytes: int

    def holds(self, text: str) -> bool:
        """Return whether `text` is within both. Half of a surrogate pair counts as three bytes."""
        if len(text) > self.characters:
            return False
        return len(text.encode(errors="surrogatepass")) <= self.bytes


EMAIL = Longest(320, 1_280)
"""64 characters, an at sign and 255 (RFC 5321, section 4.5.3.1); a domain may be international."""
PASSWORD = Longest(1_024, 1_024)
"""In NFC, as it is hashed."""
TYPED_PASSWORD = Longest(3_072, 3_072)
"""Before that: no spelling of a text has more than three times the bytes of its NFC form."""
TOKEN = Longest(4_096, 4_096)
SEARCH = Longest(500, 2_000)
CURSOR = Longest(1_708, 1_708)
"""The longest address's key in base64."""
ID = Longest(64, 64)
TIME = Longest(64, 64)
CONTENT_TYPE = Longest(512, 1_024)
IP = Longest(45, 45)
USER_AGENT = Longest(512, 2_048)
"""Of a longer one, the beginning is kept."""
