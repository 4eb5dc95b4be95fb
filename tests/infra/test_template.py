"""The template passes every check, and each check has a fault that it must detect."""

import pytest

from tests.infra.checks import CHECKS
from tests.infra.faults import FAULTS
from tests.infra.template import ROOT, Template


@pytest.fixture(scope="module")
def template() -> Template:
    return Template((ROOT / "infra" / "template.yaml").read_text())


@pytest.mark.parametrize("name", CHECKS)
def test_check(template: Template, name: str) -> None:
    assert list(CHECKS[name](template)) == []


def test_every_check_can_fail() -> None:
    assert {fault.caught_by for fault in FAULTS} == CHECKS.keys()
