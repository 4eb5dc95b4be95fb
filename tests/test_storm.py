"""Two hundred clients write at once: each is answered, and no answered write is lost.

KEYSTEAD_TEST_SECONDS sets the duration (default 1: each client makes its round of six requests).
"""

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.databases import in_database
from tests.service import PASSWORD, Service, bearer, new_address, over_tcp

WRITERS = 200
SECONDS = float(os.environ.get("KEYSTEAD_TEST_SECONDS", "1"))


@dataclass
class Storm:
    """The requests and their answers."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: float = 0
    addresses: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def ask(
        self, client: httpx2.AsyncClient, method: str, path: str, **request: object
    ) -> httpx2.Response:
        start = time.monotonic()
        answer = await client.request(method, path, **request)  # type: ignore[arg-type]
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.answers[f"{method} {path}", answer.status_code] += 1
        assert answer.is_success, answer.text
        return answer

    async def write(self, client: httpx2.AsyncClient, until: float) -> None:
        """Register, log in twice, change the address, log out once; repeat with another account."""
        while time.monotonic() < until:
            person = {"email": new_address(), "password": PASSWORD}
            form = {"username": person["email"], "password": PASSWORD}
            await self.ask(client, "POST", "/auth/register", json=person)
            stays, goes = [
                (await self.ask(client, "POST", "/auth/jwt/login", data=form)).json()[
                    "access_token"
                ]
                for _ in range(2)
            ]
            new = {"email": new_address()}
            await self.ask(client, "PATCH", "/users/me", json=new, headers=bearer(goes))
            self.addresses.append(new["email"])
            await self.ask(client, "POST", "/auth/jwt/logout", headers=bearer(goes))
            self.open.append(stays)
            self.ended.append(goes)

    async def rage(self, service: Service) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        url = service.client.base_url
        async with httpx2.AsyncClient(
            base_url=url, timeout=60, limits=limits, verify=False
        ) as client:
            until = time.monotonic() + SECONDS
            await asyncio.gather(*(self.write(client, until) for _ in range(WRITERS)))


def test_a_storm_of_writes_is_answered_and_stored(tmp_path: Path) -> None:
    storm = Storm()
    with over_tcp(tmp_path, workers=2) as service:
        start = time.monotonic()
        asyncio.run(storm.rage(service))
        seconds = time.monotonic() - start
        for token in storm.open[:20]:
            assert service.client.get("/users/me", headers=bearer(token)).status_code == 200
        for token in storm.ended[:20]:
            assert service.client.get("/users/me", headers=bearer(token)).status_code == 401
    total = storm.answers.total()
    print(f"{total} requests in {seconds:.0f} s, {total / seconds:.0f}/s, {storm.slowest=:.1f} s")
    accounts = [row[0] for row in in_database(tmp_path, "SELECT email FROM user_account")]
    assert sorted(accounts) == sorted(storm.addresses)
    [(logins,)] = in_database(tmp_path, "SELECT count(*) FROM user_session")
    assert logins == len(storm.open)
