"""Network access."""

from collections.abc import Iterator

from tests.infra.checks.check import in_each_stack
from tests.infra.template import Stack, target


@in_each_stack
def network_is_closed(stack: Stack) -> Iterator[str]:
    """The database accepts only the functions' security group, and is not public."""
    groups = stack.of_type("AWS::EC2::SecurityGroup")
    ways = [
        ("inside", rule) for one in groups.values() for rule in one.get("SecurityGroupIngress", [])
    ]
    ways += stack.of_type("AWS::EC2::SecurityGroupIngress").items()
    for name, rule in ways:
        if target(rule.get("SourceSecurityGroupId")) != "FunctionsGroup":
            yield f"{name}: in from {rule}"
        if target(rule.get("GroupId")) == "FunctionsGroup":
            yield f"{name}: in to the functions"
    for name, group in groups.items():
        for rule in group.get("SecurityGroupEgress", [{"IpProtocol": "-1"}]):
            if rule["IpProtocol"] == "-1" and rule.get("CidrIp") != "127.0.0.1/32":
                yield f"{name}: out to everywhere"
    for name, instance in stack.of_type("AWS::RDS::DBInstance").items():
        if instance.get("PubliclyAccessible") is not False:
            yield f"{name} is public"
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        inside = stack.parameters["Network"] != "none"
        if inside != ("VpcConfig" in function):
            yield f"{name} is in no VPC, or in one it should not be in"
