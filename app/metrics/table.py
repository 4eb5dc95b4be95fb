"""Rows of numbers, which other processes can read if they are in a file."""

import json
from collections.abc import Iterator, Sequence
from mmap import mmap

WIDTH = 16  # numbers of a row
_KEY_BYTES = 256
_ROWS = 2_048
_ROW_BYTES = _KEY_BYTES + 8 * WIDTH
BYTES = _ROWS * _ROW_BYTES


class Table:
    """Rows of WIDTH floats, each under a key of texts, in a buffer of BYTES zeros or rows.

    One process writes it; a number takes as long to change as one in a list.
    """

    def __init__(self, buffer: bytearray | mmap) -> None:
        self._bytes = memoryview(buffer)
        self._numbers = self._bytes.cast("d")
        self._places = {key: row for row, key in enumerate(_keys(self._bytes))}

    def row(self, *key: str) -> "memoryview[float]":
        """Return the numbers under `key`, to change; a new row is zeros.

        Numbers under a key that is too long, or of a row too many, are kept by no one.
        """
        place = self._places.get(key)
        if place is None:
            text = json.dumps(key).encode()
            place = len(self._places)
            if len(text) > _KEY_BYTES or place == _ROWS:
                return memoryview(bytearray(8 * WIDTH)).cast("d")
            start = place * _ROW_BYTES
            self._bytes[start : start + len(text)] = text
            self._places[key] = place
        start = (place * _ROW_BYTES + _KEY_BYTES) // 8
        return self._numbers[start : start + WIDTH]


def add_up(buffers: Sequence[bytes | bytearray]) -> dict[tuple[str, ...], list[float]]:
    """Return the rows of all buffers by their keys; equal keys are added up."""
    sums: dict[tuple[str, ...], list[float]] = {}
    for buffer in buffers:
        whole = memoryview(buffer)
        for place, key in enumerate(_keys(whole)):
            start = place * _ROW_BYTES + _KEY_BYTES
            numbers = whole[start : start + 8 * WIDTH].cast("d")
            sums[key] = [a + b for a, b in zip(sums.get(key, [0.0] * WIDTH), numbers, strict=True)]
    return sums


def _keys(buffer: memoryview) -> Iterator[tuple[str, ...]]:
    for start in range(0, BYTES, _ROW_BYTES):
        text = bytes(buffer[start : start + _KEY_BYTES]).rstrip(b"\0")
        if not text:
            return
        yield tuple(json.loads(text))
