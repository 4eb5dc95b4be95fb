"""The order of steps when a new version is deployed."""

import json
from collections.abc import Iterator
from typing import Any

from tests.infra.checks.check import check, in_each_stack, listed
from tests.infra.template import (
    BROUGHT,
    CHOICES,
    DOMAIN,
    EXTERNAL,
    Stack,
    Template,
    mentioned,
    target,
)


@in_each_stack
def migration_comes_first(stack: Stack) -> Iterator[str]:
    """The migration runs for each new version, after its dependencies and before the new code."""
    migration = stack.resources["Migration"]["Properties"]
    for function in ("ApiFunction", "TickFunction"):
        if "Migration" not in listed(stack.resources[function].get("DependsOn", [])):
            yield f"{function} does not wait for the migration"
    if target(migration["ServiceToken"]) != "MigrateFunctionAliaslive":
        yield f"the migration calls {migration['ServiceToken']}"
    version = target(migration.get("Version"))
    if target(stack.resources.get(version, {}).get("Properties", {}).get("FunctionName")) != (
        "MigrateFunction"
    ):
        yield "the migration does not run again for a new version"
    timeout = stack.resources["MigrateFunction"]["Properties"]["Timeout"]
    if not timeout < migration.get("ServiceTimeout", 3600) <= timeout + 120:
        yield f"CloudFormation waits {migration.get('ServiceTimeout')} s"
    for name, one in stack.of_type("AWS::Lambda::EventInvokeConfig").items():
        if target(one["FunctionName"]) == "MigrateFunction" and (
            one["MaximumRetryAttempts"] != 0 or one["Qualifier"] != "live"
        ):
            yield f"{name}: a migration that failed is tried again behind CloudFormation's back"
    for name, resource in stack.resources.items():
        needed = resource["Type"] in NEEDED_TO_MIGRATE and name not in NOT_TO_MIGRATE
        if needed and name not in mentioned(migration):
            yield f"the migration does not wait for {name}"


# The NAT gateway waits for its dependencies, and a migration sends no mail.
NOT_TO_MIGRATE = {"PublicRouteOut", "PublicRoutesOfSubnet", "MailEndpoint"}
NEEDED_TO_MIGRATE = {
    "AWS::RDS::DBInstance",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCEndpoint",
}


CHANGES: dict[str, dict[str, str]] = {
    "ApiMemory": {"ApiMemory": "2048"},
    "Architecture": {"Architecture": "x86_64"},
    "TickMinutes": {"TickMinutes": "5"},
    "DomainName": DOMAIN,
    "MailFrom": {"MailFrom": "other@example.org"},
    "MailSecretArn": {"MailSecretArn": EXTERNAL["DatabaseSecretArn"].replace("abc", "xyz")},
    "DatabaseSecretArn": {"DatabaseSecretArn": EXTERNAL["DatabaseSecretArn"].replace("abc", "xyz")},
    "nat": {"Network": "nat"},
    "endpoints": {"Network": "endpoints"},
    "brought": BROUGHT,
    "SubnetIds": {"SubnetIds": BROUGHT["SubnetIds"].replace("f0", "f2")},
    "LogDays": {"LogDays": "7"},
    "ApiConcurrency": {"ApiConcurrency": "10"},
    "Rollout": {"Rollout": "AllAtOnce"},
}

LONGEST = {
    **BROUGHT,
    "SubnetIds": ",".join(["subnet-0123456789abcdef0"] * 4),
    "DatabaseSecretArn": EXTERNAL["DatabaseSecretArn"].replace("database", "d").ljust(140, "x"),
    "DomainName": "x" * 63,
    "CertificateArn": DOMAIN["CertificateArn"],
    "ApiMemory": "10240",
    "Architecture": "x86_64",
}


@check
def versions_follow_parameters(template: Template) -> Iterator[str]:
    """A parameter that configures a function publishes a new version, and no other does.

    CloudFormation replaces a version for another logical id or description; Lambda refuses to
    publish a version without changes.
    """
    for choice in ("external", "external, brought", "aurora-mysql, nat", "aurora-mysql, brought"):
        before = template.stacks[choice]
        for name, change in CHANGES.items():
            after = template.deploy(CHOICES[choice] | change)
            for function in ("ApiFunction", "MigrateFunction"):
                changed = configuration(before, function) != configuration(after, function)
                if changed != (version_of(before, function) != version_of(after, function)):
                    only = function if changed else f"the version of {function}"
                    yield f"{name} changes {only} alone ({choice})"
    for function in ("ApiFunction", "MigrateFunction"):
        description = version_of(template.deploy(LONGEST), function)[1]
        if "{" in description or len(description) > 256:
            yield f"{function} is described by {len(description)} characters: {description}"


def configuration(stack: Stack, function: str) -> dict[str, Any]:
    """Return the properties of the function that a version keeps."""
    properties = dict(stack.resources[function]["Properties"])
    del properties["ReservedConcurrentExecutions"]
    return properties


def version_of(stack: Stack, function: str) -> tuple[str, str]:
    """Return the logical id and the description of the function's version."""
    [found] = [
        (name, str(version.get("Description", "")))
        for name, version in stack.of_type("AWS::Lambda::Version").items()
        if target(version["FunctionName"]) == function
    ]
    return found


@in_each_stack
def rollouts_are_watched(stack: Stack) -> Iterator[str]:
    """A new version gets requests gradually, and is rolled back at an alarm."""
    [group] = stack.of_type("AWS::CodeDeploy::DeploymentGroup").values()
    watched = {target(one["Name"]) for one in group.get("AlarmConfiguration", {}).get("Alarms", [])}
    wanted = {"ServerErrorsAlarm", "ApiErrorsAlarm", "SlowAlarm", "ThrottledAlarm"}
    if watched != wanted:
        yield f"rollouts look at {watched}"
    if "Canary" not in json.dumps(group["DeploymentConfigName"]):
        yield "all requests move at once"
    if "CodeDeployLambdaAliasUpdate" not in json.dumps(
        stack.resources["ApiFunctionAliaslive"].get("UpdatePolicy")
    ):
        yield "the alias moves by itself"
