"""The secret key is rotated without ending a session or a link in a mail."""

from pathlib import Path

import pytest

from tests.service import PASSWORD, SECRET, in_process

pytestmark = pytest.mark.only("sqlite")

NEW = SECRET[::-1]


def test_a_rotation_in_three_steps_ends_nothing(tmp_path: Path) -> None:
    with in_process(tmp_path) as service:
        arthur = service.register()
        before = service.login(arthur)
        link = service.token(arthur.email)
        service.client.post("/auth/forgot-password", json={"email": arthur.email})
        reset = service.token(arthur.email)

    with in_process(tmp_path, secret_key=f"{SECRET},{NEW}") as service:
        assert service.client.get("/users/me", headers=before).status_code == 200

    with in_process(tmp_path, secret_key=f"{NEW},{SECRET}") as service:
        assert service.client.get("/users/me", headers=before).status_code == 200
        during = service.login(arthur)
        assert service.client.post("/auth/verify", json={"token": link}).status_code == 200

    # A host that still has the order of the step before.
    with in_process(tmp_path, secret_key=f"{SECRET},{NEW}") as service:
        assert service.client.get("/users/me", headers=during).status_code == 200

    with in_process(tmp_path, secret_key=NEW) as service:
        assert service.client.get("/users/me", headers=during).status_code == 200
        assert service.client.get("/users/me", headers=before).status_code == 401
        body = {"token": reset, "password": f"{PASSWORD}!"}
        assert service.client.post("/auth/reset-password", json=body).status_code == 400

    with in_process(tmp_path, secret_key=f"{NEW},{SECRET}") as service:
        assert service.client.post("/auth/reset-password", json=body).status_code == 200
