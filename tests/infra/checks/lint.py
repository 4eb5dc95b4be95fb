"""CloudFormation's own schemas."""

from collections.abc import Iterator

from tests.infra.checks.check import in_each_stack
from tests.infra.template import Stack


@in_each_stack
def lint(stack: Stack) -> Iterator[str]:
    """The template conforms to CloudFormation's schemas."""
    yield from stack.lint()
