"""No address that an answer names comes from the request's Host."""

from pathlib import Path

import pytest

from tests.service import in_process

EVIL = "evil.example"


@pytest.mark.only("sqlite")
def test_no_answer_repeats_the_host(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        documented = service.client.get("/openapi.json").json()["paths"]
        others = ["/docs", "/openapi.json", "/static", "/swagger", "/auth/registration", "/"]
        paths = [*documented, *others, "/verify", "/reset-password", "/nowhere"]
        assert "/users" in paths
        for path in paths:
            for asked in (path, path + "/", path.rstrip("/") or "/", path + "//"):
                for method in ("GET", "POST", "HEAD"):
                    answer = service.client.request(
                        method, asked, headers={"Host": EVIL, "X-Forwarded-Host": EVIL}
                    )
                    assert EVIL not in f"{answer.headers} {answer.text}", (method, asked)
                    assert answer.status_code != 307, (method, asked)
