"""The decorators of checks, and helpers that several use."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.infra.template import Stack, Template, target

Check = Callable[[Template], Iterator[str]]
CHECKS: dict[str, Check] = {}

FUNCTIONS = ("ApiFunction", "TickFunction", "MigrateFunction")


def check(function: Check) -> Check:
    """Run `function` on the template as a whole."""
    CHECKS[function.__name__] = function
    return function


def in_each_stack(function: Callable[[Stack], Iterator[str]]) -> Check:
    """Run `function` on the stack of each choice."""

    def everywhere(template: Template) -> Iterator[str]:
        for name, stack in template.stacks.items():
            yield from (f"{problem} ({name})" for problem in function(stack))

    CHECKS[function.__name__] = everywhere
    return everywhere


def statements(stack: Stack, role: str) -> Iterator[dict[str, Any]]:
    """Yield a role's policy statements, inline and referenced."""
    properties = stack.resources[role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    for reference in properties.get("ManagedPolicyArns", []):
        if target(reference):
            documents.append(stack.properties(reference)["PolicyDocument"])
    for document in documents:
        yield from document["Statement"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def rights(stack: Stack, role: str) -> set[tuple[str, str]]:
    """Return each action that the role may take, with the resource as text."""
    return {
        (action, json.dumps(resource))
        for statement in statements(stack, role)
        if statement["Effect"] == "Allow"
        for action in listed(statement.get("Action", "*"))
        for resource in listed(statement.get("Resource", "*"))
    }


def role_of(stack: Stack, function: str) -> str:
    return target(stack.resources[function]["Properties"]["Role"])


def secrets_of(stack: Stack, function: str) -> set[str]:
    """Return the ARNs in KEYSTEAD_SECRETS, references as text."""
    value = variables(stack, function)["KEYSTEAD_SECRETS"]
    match value:
        case {"Fn::Join": [",", [*parts]]}:
            return {json.dumps(part) for part in parts}
    return {json.dumps(part) for part in str(value).split(",")}


def log_group(stack: Stack, function: str) -> Any:
    return stack.resources[function]["Properties"].get("LoggingConfig", {}).get("LogGroup")


def variables(stack: Stack, function: str) -> dict[str, Any]:
    return dict(stack.resources[function]["Properties"]["Environment"]["Variables"])


def the_schedule(stack: Stack) -> dict[str, Any]:
    [schedule] = stack.of_type("AWS::Scheduler::Schedule").values()
    return dict(schedule)
