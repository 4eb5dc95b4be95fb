"""The template as CloudFormation deploys it: transformed, with every condition decided."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
NOTHING = object()
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::NoValue": NOTHING,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "keystead",
}

# The transform asks boto3 for the region, and logs each unknown feature.
os.environ["AWS_DEFAULT_REGION"] = REGION
logging.getLogger("samtranslator").setLevel(logging.ERROR)

# The required parameters, and those that each choice adds.
GIVEN = {
    "MailFrom": "Example <accounts@example.org>",
    "MailSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:mail-abc123",
    "AlarmEmail": "operators@example.org",
}
EXTERNAL = {
    "DatabaseSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-abc123"
}
BROUGHT = {
    "Network": "brought",
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
}
DOMAIN = {
    "DomainName": "id.example.org",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/"
    "12345678-1234-1234-1234-123456789012",
    "HostedZoneId": "Z0123456789ABCDEFGHIJ",
}
TOPIC = {"AlarmEmail": "", "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:operators"}
CHOICES = {
    "external": EXTERNAL,
    "external, domain, topic, x86_64": {**EXTERNAL, **DOMAIN, **TOPIC, "Architecture": "x86_64"},
    "external, nat": {**EXTERNAL, "Network": "nat"},
    "external, brought": {**EXTERNAL, **BROUGHT},
    **{
        f"{engine}, {network}": {"Database": engine, **more}
        for engine in ("aurora-postgresql", "aurora-mysql")
        for network, more in (
            ("nat", {"Network": "nat"}),
            ("endpoints", {"Network": "endpoints"}),
            ("brought", BROUGHT),
        )
    },
}


class Stack:
    """The resources of the template, deployed with `parameters`.

    References to resources stay; everything that depends on parameters alone is decided.
    """

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._template = template
        self.parameters = parameters

    @cached_property
    def resources(self) -> dict[str, Any]:
        return self._there("Resources")

    @cached_property
    def outputs(self) -> dict[str, Any]:
        return self._there("Outputs")

    def _there(self, section: str) -> dict[str, Any]:
        return {
            name: {key: self.decide(value) for key, value in item.items() if key != "Condition"}
            for name, item in self._template[section].items()
            if "Condition" not in item or self._holds(item["Condition"])
        }

    def of_type(self, type_: str) -> dict[str, Any]:
        """Return the properties of the resources of that type, by name."""
        return {
            name: resource.get("Properties") or {}
            for name, resource in self.resources.items()
            if resource["Type"] == type_
        }

    def properties(self, reference: object) -> dict[str, Any]:
        """Return the properties of the resource that a Ref or GetAtt names; {} if there is none."""
        return dict(self.resources.get(target(reference), {}).get("Properties", {}))

    def refusals(self) -> list[str]:
        """Return the violations of the template's Rules."""
        return [
            assertion["AssertDescription"]
            for rule in self._template["Rules"].values()
            if self.decide(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self.decide(assertion["Assert"])
        ]

    def lint(self) -> Iterator[str]:
        """Yield cfn-lint's findings."""
        plain = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": self.resources}
        text = json.dumps({**plain, "Outputs": self.outputs})
        for match in lint(text, config=ManualArgs(regions=[REGION])):
            yield f"{match.rule.id} {match.message}"

    def _holds(self, condition: str) -> bool:
        return bool(self.decide(self._template["Conditions"][condition]))

    def decide(self, node: Any) -> Any:
        """Return `node` with everything that depends on parameters alone replaced by its value."""
        if isinstance(node, list):
            items = [self.decide(item) for item in node]
            return [item for item in items if item is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(name, value)] = node.items()
            if name == "Fn::If":
                return self.decide(value[1] if self._holds(value[0]) else value[2])
            if name == "Condition" and isinstance(value, str):
                return self._holds(value)
            if name == "Ref":
                return self._known(value, node)
            if name == "Fn::Sub":
                return self._substituted(value)
            if name.startswith("Fn::"):
                return self._computed(name, self.decide(value))
        decided = {key: self.decide(value) for key, value in node.items()}
        return {key: value for key, value in decided.items() if value is not NOTHING}

    def _known(self, name: str, otherwise: Any) -> Any:
        return self.parameters.get(name, PSEUDO.get(name, otherwise))

    def _substituted(self, value: Any) -> Any:
        text, given = value if isinstance(value, list) else (value, {})

        def known(found: re.Match[str]) -> str:
            at_hand = self.decide(given.get(found[1], found[0]))
            return str(self._known(found[1], at_hand))

        text = re.sub(r"\$\{([\w:.]+)\}", known, text)
        return {"Fn::Sub": text} if "${" in text else text

    def _computed(self, name: str, value: Any) -> Any:
        match name, value:
            case "Fn::Equals", [one, other]:
                return str(one) == str(other)
            case "Fn::Not", [one]:
                return not one
            case "Fn::And", _:
                return all(value)
            case "Fn::Or", _:
                return any(value)
            case "Fn::Contains", [among, one]:
                return str(one) in map(str, among)
            case "Fn::EachMemberEquals", [members, one]:
                return all(member == one for member in members)
            case "Fn::FindInMap", [table, row, column]:
                return self._template["Mappings"][table][str(row)][column]
            case "Fn::Join", [between, [*parts]] if not any(isinstance(p, dict) for p in parts):
                return between.join(map(str, parts))
            case "Fn::Split", [at, str(text)]:
                return text.split(at)
            case "Fn::Select", [index, [*items]]:
                return items[int(index)]
        return {name: value}


class Template:
    """The template's text, and its stacks."""

    def __init__(self, text: str, root: Path = ROOT) -> None:
        self.text = text
        self.root = root
        self.written: dict[str, Any] = yaml_parse(text)

    @cached_property
    def stacks(self) -> dict[str, Stack]:
        """The stack of each of CHOICES, which cover every database and network."""
        return {name: self.deploy(choice) for name, choice in CHOICES.items()}

    def deploy(self, choice: Mapping[str, Any]) -> Stack:
        """Return the stack for `choice`, with defaults for the other parameters."""
        written = deepcopy(self.written)
        # The place of the artifact after `sam package`, which the transform expects.
        written["Globals"]["Function"]["CodeUri"] = "s3://artifacts/keystead"
        parameters = {**self._defaults(), **GIVEN, **choice}
        given = {name: str(value) for name, value in parameters.items()}
        transformed = Translator({}, Parser()).translate(written, given)
        for name, parameter in self.written["Parameters"].items():
            if parameter["Type"] == "CommaDelimitedList":
                parameters[name] = parameters[name].split(",")
        return Stack(transformed, parameters)

    def _defaults(self) -> dict[str, Any]:
        parameters = self.written["Parameters"]
        return {name: one["Default"] for name, one in parameters.items() if "Default" in one}


def target(reference: object) -> str:
    """Return the name of the resource that a Ref or GetAtt names; "" for anything else."""
    match reference:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
    return ""


def mentioned(node: Any) -> set[str]:
    """Return the names of all resources that `node` refers to."""
    if isinstance(node, list):
        return set().union(*map(mentioned, node))
    if not isinstance(node, dict):
        return set()
    inside = set(re.findall(r"\$\{(\w+)", json.dumps(node.get("Fn::Sub", ""))))
    return inside.union({target(node)} - {""}, *map(mentioned, node.values()))
