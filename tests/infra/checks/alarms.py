"""The alarms."""

from collections.abc import Iterator
from typing import Any

from tests.infra import schedules
from tests.infra.checks.check import in_each_stack, the_schedule
from tests.infra.template import Stack, target

# Namespace and metric, the dimension, and the resource type that it names.
METRICS = {
    ("Keystead", "ServerErrors"): ("Function", "AWS::Lambda::Function"),
    ("Keystead", "TickSuccess"): ("Function", "AWS::Lambda::Function"),
    ("AWS/ApiGateway", "5xx"): ("ApiId", "AWS::ApiGatewayV2::Api"),
    ("AWS/ApiGateway", "Latency"): ("ApiId", "AWS::ApiGatewayV2::Api"),
    ("AWS/Lambda", "Throttles"): ("FunctionName", "AWS::Lambda::Function"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): ("QueueName", "AWS::SQS::Queue"),
    ("AWS/RDS", "ACUUtilization"): ("DBClusterIdentifier", "AWS::RDS::DBCluster"),
}
WATCHED = {
    ("Keystead", "ServerErrors", "ApiFunction"),
    ("Keystead", "TickSuccess", "TickFunction"),
    ("AWS/ApiGateway", "5xx", "HttpApi"),
    ("AWS/ApiGateway", "Latency", "HttpApi"),
    ("AWS/Lambda", "Throttles", "ApiFunction"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "FailedTicks"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "UndeliveredTicks"),
}


@in_each_stack
def alarms_ring(stack: Stack) -> Iterator[str]:
    """Each alarm has a metric that exists, and a subscriber."""
    seen = set()
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        metric = (alarm["Namespace"], alarm["MetricName"])
        dimension, type_ = METRICS.get(metric, ("", ""))
        [given] = alarm["Dimensions"]
        if given["Name"] != dimension or target(given["Value"]) not in stack.of_type(type_):
            yield f"{name}: nothing reports {metric} for {given}"
        seen.add((*metric, target(given["Value"])))
        for action in ("AlarmActions", "OKActions"):
            topics = [one for one in alarm.get(action, []) if one and _is_topic(stack, one)]
            if not topics:
                yield f"{name}: nobody is told ({action})"
    for one in WATCHED - seen:
        yield f"nobody watches {one}"
    for name, topic in stack.of_type("AWS::SNS::Topic").items():
        if not all(one["Endpoint"] for one in topic["Subscription"]):
            yield f"{name} goes to nobody"


def _is_topic(stack: Stack, action: Any) -> bool:
    return target(action) in stack.of_type("AWS::SNS::Topic") or str(action).startswith(
        "arn:aws:sns"
    )


@in_each_stack
def silence_is_heard(stack: Stack) -> Iterator[str]:
    """A missing tick raises an alarm in time; a missing error does not."""
    period = schedules.period(the_schedule(stack)["ScheduleExpression"])
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        missing = alarm["TreatMissingData"]
        if alarm["MetricName"] == "TickSuccess":
            below = alarm["ComparisonOperator"] == "LessThanThreshold" and alarm["Threshold"] == 1
            if missing != "breaching" or not below or alarm["Statistic"] != "Sum":
                yield f"{name} sleeps when no tick comes"
            if not 3 * period <= alarm["Period"] * alarm["EvaluationPeriods"] <= 900:
                yield f"{name} looks at {alarm['Period']} s of a schedule of {period} s"
        elif (
            missing not in ("notBreaching", "missing")
            or "Greater" not in alarm["ComparisonOperator"]
        ):
            yield f"{name} rings when nothing happens"
