"""Data: its protection and retention."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.infra.checks.check import FUNCTIONS, in_each_stack, log_group, variables
from tests.infra.template import Stack, target


@in_each_stack
def logs_end(stack: Stack) -> Iterator[str]:
    """Each function has a log group of its own, with a limited retention."""
    groups = stack.of_type("AWS::Logs::LogGroup")
    theirs = [target(log_group(stack, function)) for function in FUNCTIONS]
    if not set(theirs) <= groups.keys() or len(set(theirs)) < len(theirs):
        yield f"functions log to {theirs}"
    for name, properties in groups.items():
        if not 1 <= int(properties.get("RetentionInDays", 0)) <= 731:
            yield f"{name} is kept for ever"
    exported = [
        f"/{log}"
        for cluster in stack.of_type("AWS::RDS::DBCluster").values()
        for log in cluster["EnableCloudwatchLogsExports"]
    ]
    for log in exported:
        if not any(log in json.dumps(one.get("LogGroupName", "")) for one in groups.values()):
            yield f"{log} of the database has no group that ends"


OUTLIVES = {
    "AWS::RDS::DBCluster": "Snapshot",
    "AWS::RDS::DBInstance": "Delete",
    "AWS::SecretsManager::Secret": "Retain",
    "AWS::Logs::LogGroup": "Retain",
    "AWS::SQS::Queue": "Delete",
}


@in_each_stack
def data_outlive_the_stack(stack: Stack) -> Iterator[str]:
    """Each resource that holds data has a deletion policy."""
    for name, resource in stack.resources.items():
        wanted = OUTLIVES.get(resource["Type"])
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if wanted and resource.get(policy) != wanted:
                yield f"{policy} of {name} is {resource.get(policy)}, not {wanted}"


@in_each_stack
def database_is_guarded(stack: Stack) -> Iterator[str]:
    """RDS manages the password; disk encryption, backups, deletion protection are on."""
    for name, cluster in stack.of_type("AWS::RDS::DBCluster").items():
        wanted = {
            "ManageMasterUserPassword": True,
            "StorageEncrypted": True,
            "DeletionProtection": "true",
            "CopyTagsToSnapshot": True,
        }
        for property_, value in wanted.items():
            if cluster.get(property_) != value:
                yield f"{property_} of {name} is {cluster.get(property_)}"
        if cluster.get("BackupRetentionPeriod", 1) < 7:
            yield f"{name} has backups of less than a week"
        if "MasterUserPassword" in cluster:
            yield f"{name} has a password in the template"
        engine = str(cluster["EngineVersion"])
        family = stack.properties(cluster["DBClusterParameterGroupName"])["Family"]
        if not engine.startswith(re.sub(r"^\D*", "", family)):
            yield f"{name} is {engine}, its parameters are for {family}"


@in_each_stack
def tls_is_verified(stack: Stack) -> Iterator[str]:
    """Each URL verifies certificate and host name; the database refuses anything less."""
    for function in FUNCTIONS:
        address: Any = variables(stack, function).get("KEYSTEAD_DATABASE_URL")
        expected = {
            "aurora-postgresql": "?sslmode=verify-full&sslrootcert=rds.pem",
            "aurora-mysql": "?ssl_mode=VERIFY_IDENTITY&ssl_ca=rds.pem",
        }.get(stack.parameters["Database"])
        if expected and not str(address["Fn::Sub"]).endswith(expected):
            yield f"{function} connects to {address['Fn::Sub']}"
        if not expected and address is not None:
            yield f"{function} has an address of its own for an external database"
    for name, group in stack.of_type("AWS::RDS::DBClusterParameterGroup").items():
        if group["Parameters"] not in ({"rds.force_ssl": "1"}, {"require_secure_transport": "ON"}):
            yield f"{name} lets in without TLS: {group['Parameters']}"
