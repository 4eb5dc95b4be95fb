import pytest

from tests.infra import schedules


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)",
        "rate(5 minutes)",
        "rate(2 days)",
        "cron(0/5 * * * ? *)",
        "cron(0 8 ? * MON-FRI 2026)",
        "cron(15,45 6 L JAN,JUL ? *)",
        "cron(0 0 ? * 6#3 *)",
        "at(2026-11-22T16:35:40)",
    ],
)
def test_sound(expression: str) -> None:
    assert schedules.fault(expression) is None


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "rate(30 seconds)",
        "rate(one minute)",
        "every minute",
        "cron(* * * * *)",
        "cron(* * * * * *)",
        "cron(* * ? * ? *)",
        "cron(60 * * * ? *)",
        "cron(* * * FOO ? *)",
        "cron(* * ? * 8 *)",
        "at(2026-11-22)",
    ],
)
def test_faulty(expression: str) -> None:
    assert schedules.fault(expression) is not None


def test_seconds() -> None:
    assert schedules.seconds("rate(2 minutes)") == 120
    assert schedules.seconds("cron(0 * * * ? *)") is None
