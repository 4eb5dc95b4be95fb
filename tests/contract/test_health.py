from tests.service import Service


def test_live(service: Service) -> None:
    assert service.client.get("/health/live").json() == {"status": "ok", "reason": None}


def test_ready(service: Service) -> None:
    answer = service.client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "reason": None, "warnings": []}
