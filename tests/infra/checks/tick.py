"""The schedule, its event, and its failures."""

import json
from collections.abc import Iterator

from tests.infra import schedules
from tests.infra.checks.check import in_each_stack, rights, role_of, the_schedule, variables
from tests.infra.template import Stack, target


@in_each_stack
def schedule_fires(stack: Stack) -> Iterator[str]:
    """The schedule's expression is valid, its target is the tick, and its role may invoke just
    that.
    """
    schedule = the_schedule(stack)
    expression = schedule["ScheduleExpression"]
    if (fault := schedules.fault(expression)) is not None:
        yield f"{expression}: {fault}"
    elif schedules.seconds(expression) != int(
        variables(stack, "TickFunction")["KEYSTEAD_TICK_SECONDS"]
    ):
        yield f"{expression} is not KEYSTEAD_TICK_SECONDS"
    if target(schedule["Target"]["Arn"]) != "TickFunction":
        yield f"the schedule calls {schedule['Target']['Arn']}"
    if schedule.get("State", "ENABLED") != "ENABLED":
        yield "the schedule is switched off"
    if "keystead" not in schedule.get("Name", "keystead"):
        yield f"two stacks of an account would both have the schedule {schedule['Name']}"
    role = target(schedule["Target"]["RoleArn"])
    expected = {
        ("lambda:InvokeFunction", json.dumps({"Fn::GetAtt": ["TickFunction", "Arn"]})),
        ("sqs:SendMessage", json.dumps({"Fn::GetAtt": ["UndeliveredTicks", "Arn"]})),
    }
    if rights(stack, role) != expected:
        yield f"{role} may {rights(stack, role)}"


@in_each_stack
def schedule_says_when(stack: Stack) -> Iterator[str]:
    """The event is JSON, and has the scheduled time where the handler reads it."""
    given = the_schedule(stack)["Target"].get("Input", "")
    try:
        event = json.loads(given)
    except ValueError:
        yield f"not JSON: {given}"
    else:
        if event != {"tick": {"scheduled_at": "<aws.scheduler.scheduled-time>"}}:
            yield f"the handler does not know {event}"


@in_each_stack
def dead_letters_are_kept(stack: Stack) -> Iterator[str]:
    """Events that are not delivered or fail go to a queue, and each queue has an alarm."""
    schedule = the_schedule(stack)["Target"]
    undelivered = schedule.get("DeadLetterConfig", {}).get("Arn")
    [invocation] = [
        one
        for one in stack.of_type("AWS::Lambda::EventInvokeConfig").values()
        if target(one["FunctionName"]) == "TickFunction"
    ] or [{}]
    failed = invocation.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    senders = {
        "undelivered": (undelivered, target(schedule["RoleArn"])),
        "failed": (failed, role_of(stack, "TickFunction")),
    }
    watched = {
        target(dimension["Value"])
        for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Dimensions"]
        if alarm["Namespace"] == "AWS/SQS"
    }
    for what, (queue, role) in senders.items():
        if target(queue) not in stack.of_type("AWS::SQS::Queue"):
            yield f"ticks that are {what} go nowhere"
            continue
        if ("sqs:SendMessage", json.dumps(queue)) not in rights(stack, role):
            yield f"{role} may not send to {target(queue)}"
        properties = stack.properties(queue)
        if properties.get("SqsManagedSseEnabled") is not True:
            yield f"{target(queue)} is not encrypted"
        if properties.get("MessageRetentionPeriod", 0) < 1_209_600:
            yield f"{target(queue)} keeps less than two weeks"
        if target(queue) not in watched:
            yield f"nobody watches {target(queue)}"
    if target(undelivered) == target(failed):
        yield "one queue for both"
