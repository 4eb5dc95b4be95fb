"""The checks of the template, for every choice of parameters."""

from tests.infra.checks import (
    alarms,
    data,
    functions,
    lint,
    network,
    parameters,
    rights,
    tick,
    versions,
)
from tests.infra.checks.check import CHECKS

__all__ = [
    "CHECKS",
    "alarms",
    "data",
    "functions",
    "lint",
    "network",
    "parameters",
    "rights",
    "tick",
    "versions",
]
