"""The rights of each role."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.infra.checks.check import (
    FUNCTIONS,
    in_each_stack,
    listed,
    log_group,
    rights,
    role_of,
    secrets_of,
    statements,
)
from tests.infra.template import Stack, target


@in_each_stack
def actions_are_named(stack: Stack) -> Iterator[str]:
    """No role has a wildcard in an action, or a NotAction."""
    for role in stack.of_type("AWS::IAM::Role"):
        for statement in statements(stack, role):
            if not {"Effect", "Action", "Resource"} <= statement.keys():
                yield f"{role} says what it may in other words than Action and Resource"
            for action in listed(statement.get("Action", "*")):
                if "*" in action:
                    yield f"{role} may {action}"


# Lambda creates network interfaces before they have a name, and refuses a role with less.
ON_EVERYTHING = {
    ("NetworkPolicy", "ec2:AssignPrivateIpAddresses"),
    ("NetworkPolicy", "ec2:CreateNetworkInterface"),
    ("NetworkPolicy", "ec2:DeleteNetworkInterface"),
    ("NetworkPolicy", "ec2:DescribeNetworkInterfaces"),
    ("NetworkPolicy", "ec2:DescribeSubnets"),
    ("NetworkPolicy", "ec2:UnassignPrivateIpAddresses"),
}
# CodeDeploy's own role, which SAM creates.
FROM_AWS = {"CodeDeployServiceRole": "/AWSCodeDeployRoleForLambda"}


@in_each_stack
def resources_are_named(stack: Stack) -> Iterator[str]:
    """No right is on every resource, except actions that AWS grants on nothing less."""
    policies: dict[str, list[Any]] = {
        name: [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        for name, properties in stack.of_type("AWS::IAM::Role").items()
    }
    for name, properties in stack.of_type("AWS::IAM::ManagedPolicy").items():
        policies[name] = [properties["PolicyDocument"]]
    for name, documents in policies.items():
        for statement in (one for document in documents for one in document["Statement"]):
            if statement["Effect"] == "Allow" and "*" in listed(statement.get("Resource", "*")):
                for action in listed(statement.get("Action", "*")):
                    if (name, action) not in ON_EVERYTHING:
                        yield f"{name} may {action} on everything"
    for name, properties in stack.of_type("AWS::IAM::Role").items():
        for policy in properties.get("ManagedPolicyArns", []):
            if not target(policy) and not str(policy).endswith(FROM_AWS.get(name, "none")):
                yield f"{name} has {policy}"


@in_each_stack
def secrets_are_named(stack: Stack) -> Iterator[str]:
    """A role reads exactly the secrets of its function, by their whole ARNs."""
    for function in FUNCTIONS:
        role = role_of(stack, function)
        readable = {on for action, on in rights(stack, role) if action.startswith("secretsmanager")}
        if readable != secrets_of(stack, function):
            yield f"{role} reads {readable}, {function} wants {secrets_of(stack, function)}"
        for one in readable:
            arn = json.loads(one)
            whole = r"arn:aws:secretsmanager:[^:*]+:\d+:secret:[^:*]+-\w{6}"
            if not target(arn) and not re.fullmatch(whole, str(arn)):
                yield f"{role} reads {arn}"


@in_each_stack
def roles_are_apart(stack: Stack) -> Iterator[str]:
    """Each function has its own role; only the network and the database are shared."""
    roles = {function: role_of(stack, function) for function in FUNCTIONS}
    if len(set(roles.values())) < len(roles):
        yield f"functions share a role: {roles}"
    mail = json.dumps(stack.parameters["MailSecretArn"])
    shared = secrets_of(stack, "MigrateFunction") - {mail}
    only = {
        "ApiFunction": set[tuple[str, str]](),
        "TickFunction": {
            ("secretsmanager:GetSecretValue", mail),
            ("sqs:SendMessage", json.dumps({"Fn::GetAtt": ["FailedTicks", "Arn"]})),
        },
        "MigrateFunction": set[tuple[str, str]](),
    }
    for function, role in roles.items():
        logs = json.dumps({"Fn::GetAtt": [target(log_group(stack, function)), "Arn"]})
        own = {("logs:CreateLogStream", logs), ("logs:PutLogEvents", logs)}
        database = {("secretsmanager:GetSecretValue", secret) for secret in shared}
        network = {(action, '"*"') for _, action in ON_EVERYTHING}
        network = network if stack.of_type("AWS::IAM::ManagedPolicy") else set()
        expected = own | database | network | only[function]
        for action, resource in rights(stack, role) ^ expected:
            which = "more" if (action, resource) in rights(stack, role) else "less"
            yield f"{role} may {which} than it needs: {action} on {resource}"


@in_each_stack
def roles_are_taken_by_services(stack: Stack) -> Iterator[str]:
    """Only a role's own service may assume it; a scheduler's, only for this account."""
    for role, properties in stack.of_type("AWS::IAM::Role").items():
        for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
            service = statement["Principal"].get("Service")
            if not set(listed(service)) <= {
                "lambda.amazonaws.com",
                "scheduler.amazonaws.com",
                "codedeploy.amazonaws.com",
            }:
                yield f"{role} is for {statement['Principal']}"
            if service == "scheduler.amazonaws.com" and "aws:SourceAccount" not in json.dumps(
                statement.get("Condition")
            ):
                yield f"{role} is for anybody's schedule"
