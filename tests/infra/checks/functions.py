"""The functions, their handlers and settings, and the API before them."""

import ast
import json
import re
from collections.abc import Iterator

from tests.infra.checks.check import FUNCTIONS, check, in_each_stack, variables
from tests.infra.template import Stack, Template, target


@check
def handlers_exist(template: Template) -> Iterator[str]:
    """Each handler is a function at the top level of a module at the project's root."""
    handlers = {"ApiFunction": "handler", "TickFunction": "handler", "MigrateFunction": "migrate"}
    for function, name in handlers.items():
        handler = template.written["Resources"][function]["Properties"]["Handler"]
        module, _, attribute = handler.rpartition(".")
        path = template.root / f"{module}.py"
        if attribute != name:
            yield f"{function} is {handler}"
        if not path.exists():
            yield f"{handler}: there is no {path.name}"
        elif attribute not in _defined(ast.parse(path.read_text())):
            yield f"{handler}: {path.name} has no {attribute}"


def _defined(module: ast.Module | ast.If) -> set[str]:
    names = set()
    for statement in module.body:
        if isinstance(statement, ast.If):
            names |= _defined(statement)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(statement.name)
        if isinstance(statement, ast.Assign):
            names |= {one.id for one in statement.targets if isinstance(one, ast.Name)}
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
    return names


def _settings(template: Template) -> set[str]:
    """Return the names of the settings, from their class."""
    module = ast.parse((template.root / "app/settings/model.py").read_text())
    [settings] = [
        one for one in module.body if isinstance(one, ast.ClassDef) and one.name == "Settings"
    ]
    return {
        f"KEYSTEAD_{one.target.id.upper()}"
        for one in settings.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }


@check
def settings_are_known(template: Template) -> Iterator[str]:
    """Each function has only settings that exist, and all that it needs."""
    known = _settings(template)
    needed = {"KEYSTEAD_ENVIRONMENT", "KEYSTEAD_BASE_URL", "KEYSTEAD_SECRETS"}
    for name, stack in template.stacks.items():
        for function in FUNCTIONS:
            given = variables(stack, function)
            for setting in given.keys() - known:
                yield f"{function} is told of {setting} ({name})"
            for setting in needed - given.keys():
                yield f"{function} is not told of {setting} ({name})"
            if given.get("KEYSTEAD_ENVIRONMENT") != "production":
                yield f"{function} is in {given.get('KEYSTEAD_ENVIRONMENT')} ({name})"
        if "KEYSTEAD_MAIL_FROM" not in variables(stack, "TickFunction"):
            yield f"TickFunction sends mail from nobody ({name})"


@in_each_stack
def functions_agree(stack: Stack) -> Iterator[str]:
    """Three functions from one artifact, with the same Python and architecture."""
    functions = stack.of_type("AWS::Lambda::Function")
    for name, function in functions.items():
        if function["Runtime"] != "python3.13":
            yield f"{name} runs on {function['Runtime']}"
        if function["Architectures"] != [stack.parameters["Architecture"]]:
            yield f"{name} runs on {function['Architectures']}"
    if len({json.dumps(function["Code"]) for function in functions.values()}) != 1:
        yield "functions of different artifacts"
    if functions.keys() != set(FUNCTIONS):
        yield f"functions: {[*functions]}"
    timeouts = {name: function["Timeout"] for name, function in functions.items()}
    if timeouts != {"ApiFunction": 25, "TickFunction": 180, "MigrateFunction": 900}:
        yield f"timeouts: {timeouts}"
    [integration] = stack.of_type("AWS::ApiGatewayV2::Integration").values()
    if not functions["ApiFunction"]["Timeout"] * 1000 < integration["TimeoutInMillis"] <= 30_000:
        yield f"the API waits {integration['TimeoutInMillis']} ms"
    if integration["PayloadFormatVersion"] != "2.0":
        yield "the API sends events of version 1"
    if target(integration["IntegrationUri"]) != "ApiFunctionAliaslive":
        yield "the API calls another thing than the alias"


@in_each_stack
def requests_are_limited(stack: Stack) -> Iterator[str]:
    """The API is throttled, and logs no query, which holds the tokens of links in mails."""
    [stage] = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    limits = stage.get("DefaultRouteSettings", {})
    if not limits.get("ThrottlingRateLimit") or not limits.get("ThrottlingBurstLimit"):
        yield "requests have no limit"
    logged = stage["AccessLogSettings"]["Format"]
    allowed = "requestTime requestId identity.sourceIp httpMethod path status responseLatency"
    allowed += " integrationLatency integrationErrorMessage"
    for name in re.findall(r"\$context\.([\w.]+)", logged):
        if name not in allowed.split():
            yield f"the access log has {name}"
    if not isinstance(json.loads(logged), dict):
        yield f"not an object of JSON: {logged}"
