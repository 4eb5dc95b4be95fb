"""The parameters, their rules, and the outputs."""

import json
import re
from collections.abc import Iterator
from itertools import product

from tests.infra.checks.check import FUNCTIONS, check, in_each_stack
from tests.infra.template import BROUGHT, EXTERNAL, ROOT, Stack, Template

# "Performance and scaling for Aurora Serverless v2" in the Aurora guide, by maximum capacity; with
# half a unit as minimum, PostgreSQL's end at 2000.
MAX_CONNECTIONS = {
    "aurora-postgresql": {1: 189, 4: 823, 8: 1669, 16: 2000, 32: 2000, 64: 2000},
    "aurora-mysql": {1: 90, 4: 135, 8: 1000, 16: 2000, 32: 3000, 64: 4000},
}
# For operators and for RDS itself.
SPARE = 10


@check
def connections_suffice(template: Template) -> Iterator[str]:
    """Every capacity that the Rules accept has enough connections, also while versions change."""
    stack = template.stacks["external"]
    most = {
        name: stack.resources[name]["Properties"].get("ReservedConcurrentExecutions")
        for name in FUNCTIONS
    }
    if None in most.values():
        yield f"functions without a limit: {most}"
        return
    others = int(most["TickFunction"]) + int(most["MigrateFunction"])
    if 2 * (int(most["ApiFunction"]) + others) + SPARE > 97:
        yield f"PostgreSQL's 100 connections are not enough for the default: {most}"
    parameters = template.written["Parameters"]
    for engine, capacity, api in product(
        MAX_CONNECTIONS,
        parameters["DatabaseMaxCapacity"]["AllowedValues"],
        parameters["ApiConcurrency"]["AllowedValues"],
    ):
        least = min(parameters["DatabaseMinCapacity"]["AllowedValues"])
        chosen = {"Database": engine, "DatabaseMaxCapacity": capacity, "ApiConcurrency": api}
        choice = {"Network": "nat", "DatabaseMinCapacity": least, **chosen}
        allowed = not Stack(template.written, {**stack.parameters, **CLEARED, **choice}).refusals()
        enough = 2 * (api + others) + SPARE <= MAX_CONNECTIONS[engine][capacity]
        if allowed != enough:
            yield f"{chosen} is {'allowed' if allowed else 'refused'}"


CLEARED = {"DatabaseSecretArn": ""}

WRONG: dict[str, dict[str, str]] = {
    "external without secret": {},
    "external behind endpoints": {**EXTERNAL, "Network": "endpoints"},
    "Aurora without network": {"Database": "aurora-mysql"},
    "Aurora and a secret": {"Database": "aurora-mysql", "Network": "nat", **EXTERNAL},
    "a network without name": {**EXTERNAL, "Network": "brought"},
    "a network without subnets": {**EXTERNAL, **BROUGHT, "SubnetIds": ""},
    "a domain without certificate": {**EXTERNAL, "DomainName": "id.example.org"},
    "a zone without domain": {**EXTERNAL, "HostedZoneId": "Z0123456789"},
    "alarms for nobody": {**EXTERNAL, "AlarmEmail": ""},
    "least more than most": {
        "Database": "aurora-postgresql",
        "Network": "nat",
        "DatabaseMinCapacity": "8",
        "DatabaseMaxCapacity": "4",
    },
}


@check
def rules_refuse(template: Template) -> Iterator[str]:
    """The Rules accept parameters that belong together, and refuse others before any resource
    exists.
    """
    for name, stack in template.stacks.items():
        yield from (f"{name}: {refusal}" for refusal in stack.refusals())
    for name, choice in WRONG.items():
        if not template.deploy(choice).refusals():
            yield f"nothing says no to {name}"


@check
def parameters_are_checked(template: Template) -> Iterator[str]:
    """Each parameter is in a group, has a description, and accepts only valid values."""
    parameters = template.written["Parameters"]
    groups = template.written["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    if sorted(shown) != sorted(parameters):
        yield f"in no group, or in two: {set(parameters).symmetric_difference(shown)}"
    for name, parameter in parameters.items():
        if not parameter.get("Description"):
            yield f"{name} does not say what it is"
        if parameter["Type"] != "CommaDelimitedList" and not (
            parameter.keys() & {"AllowedValues", "AllowedPattern", "MinValue"}
        ):
            yield f"{name} takes anything"
        for stack in template.stacks.values():
            value = str(stack.parameters[name])
            allowed = [str(one) for one in parameter.get("AllowedValues", [value])]
            if value not in allowed or not re.search(parameter.get("AllowedPattern", ""), value):
                yield f"{name} refuses {value}"


@in_each_stack
def people_are_helped(stack: Stack) -> Iterator[str]:
    """The outputs name the addresses, and how to create the first superuser."""
    wanted = {"Url", "ApiFunction", "ApiAlias", "TickFunction", "MigrateFunction", "FailedTicks"}
    wanted |= {"UndeliveredTicks", "AppSecret", "DatabaseSecret", "AlarmTopic", "FirstSuperuser"}
    for name in wanted - stack.outputs.keys():
        yield f"no output {name}"
    command = json.dumps(stack.outputs["FirstSuperuser"]["Value"])
    if stack.of_type("AWS::RDS::DBCluster"):
        words = set(re.findall(r"UPDATE (\w+) SET (\w+) = true WHERE (\w+) = ", command)[0])
        tables = (ROOT / "app" / "users" / "tables.py").read_text()
        if missing := [
            word for word in words if not re.search(rf'^    {word}:|"{word}"', tables, re.M)
        ]:
            yield f"accounts have no {missing}: {command}"
        for cluster in stack.of_type("AWS::RDS::DBCluster").values():
            if cluster.get("EnableHttpEndpoint") is not True:
                yield "no way in for people"
