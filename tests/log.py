"""The log of a server, from a moment on."""

import json
import time
from typing import Any
from uuid import uuid4

from tests.service import WAIT_SECONDS, Service


class Log:
    """What a server logs from now on."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._path = service.folder / "log"
        self._start = 0
        # The entry of a request is written after its answer.
        self.read()
        self._start = self._path.stat().st_size

    def wait_for(self, text: str) -> str:
        """Return the log once it has `text`."""
        deadline = time.monotonic() + WAIT_SECONDS
        while text not in (log := self._path.read_bytes()[self._start :].decode()):
            assert time.monotonic() < deadline, log
            time.sleep(0.02)
        return log

    def read(self) -> str:
        """Return the log of every request that was answered."""
        last = f"/{uuid4()}"
        self._service.client.get(last)
        return self.wait_for(last)

    def requests(self) -> list[dict[str, Any]]:
        """Return the entries of the requests that were answered, from a log in JSON."""
        lines = [line for line in self.read().splitlines() if '"event": "request"' in line]
        return [json.loads(line) for line in lines][:-1]
