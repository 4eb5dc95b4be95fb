"""What CloudFormation's own schemas say."""

from collections.abc import Iterator

from tests.infra.checks.check import in_each_stack
from tests.infra.template import Stack


@in_each_stack
def lint(stack: Stack) -> Iterator[str]:
    """What is deployed is what CloudFormation's own schemas allow."""
    yield from stack.lint()
