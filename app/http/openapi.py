"""The OpenAPI document of the application, such that generated clients compile."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.http import answers
from app.http.examples import EXAMPLES
from app.settings.model import Settings

Document = dict[str, Any]

_SESSION: dict[str, list[str]] = {"OAuth2PasswordBearer": []}
_COOKIE: dict[str, list[str]] = {"SessionCookie": []}
_WITHOUT_DATABASE = "health"  # a tag
_PREFIX = "#/components/schemas/"


def operation_id(route: APIRoute) -> str:
    """Return the name of the route's function, which generated clients name theirs after."""
    return route.endpoint.__name__


def document(app: FastAPI, settings: Settings) -> Callable[[], Document]:
    """Return the function that makes the document of `app`, to replace `app.openapi`."""

    @cache
    def openapi() -> Document:
        found = deepcopy(FastAPI.openapi(app))
        for method, operation in _operations(found):
            _add_common_answers(method, operation)
            _state_null(operation)
            if _SESSION in operation.get("security", []):
                _offer_cookie(method, operation, settings)
        found["components"]["securitySchemes"]["SessionCookie"] = {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.cookie_name,
        }
        _name_schemas(found)
        _complete_schemas(found)
        if settings.base_path:
            _make_token_url_absolute(found, settings.base_url)
        return found

    return openapi


def _operations(found: Document) -> Iterator[tuple[str, Document]]:
    for operations in found["paths"].values():
        yield from operations.items()


def _add_common_answers(method: str, operation: Document) -> None:
    """Add the answers of middleware, guards and database, which any request can get."""
    listed = operation["responses"]
    common: dict[str, answers.Answer] = {}
    if method not in ("get", "head"):
        common |= answers.OF_BODIES
    if _WITHOUT_DATABASE not in operation["tags"]:
        common["503"] = answers.UNAVAILABLE
    operation["responses"] = dict(sorted((deepcopy(common) | listed).items()))


def _offer_cookie(method: str, operation: Document, settings: Settings) -> None:
    """A session's cookie does where its access token does, but for requests of other sites."""
    operation["security"].append(_COOKIE)
    answer = operation["responses"].get("403")
    needs_flag = settings.require_verified or answer == answers.FORBIDDEN
    can_be_forged = method not in ("get", "head") or answer == answers.CSRF_FAILED
    refusals = {
        (True, True): answers.REFUSED,
        (True, False): answer or answers.UNVERIFIED,
        (False, True): answers.CSRF_FAILED,
    }
    if refused := refusals.get((needs_flag, can_be_forged)):
        operation["responses"] |= {"403": deepcopy(refused)}
        operation["responses"] = dict(sorted(operation["responses"].items()))


def _state_null(operation: Document) -> None:
    """An answer without a model is null, which the document otherwise leaves open."""
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            if content.get("schema") == {}:
                content["schema"] = {"type": "null"}


def _name_schemas(found: Document) -> None:
    """Move each error's schema to the components, so that clients have one type for it."""
    schemas = found["components"]["schemas"]
    for _, operation in _operations(found):
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                schema = content["schema"]
                if schema.get("type") == "object" and "title" in schema:
                    name = schema["title"]
                    assert schemas.setdefault(name, schema) == schema, name
                    content["schema"] = {"$ref": _PREFIX + name}


def _complete_schemas(found: Document) -> None:
    """Say which members are always there, and give examples.

    An answer has every member; a request may leave out each that is not required, which generators
    would take for required if it had a default.
    """
    schemas = found["components"]["schemas"]
    schemas["HTTPValidationError"]["required"] = ["detail"]
    schemas["ValidationError"]["properties"].pop("ctx")
    schemas["ValidationError"]["required"].append("input")
    sent = {
        name
        for _, operation in _operations(found)
        for name in _referenced(operation.get("requestBody"), schemas)
    }
    for name, schema in schemas.items():
        for member in schema.get("properties", {}).values():
            member.pop("default", None)
        if name not in sent:
            schema["required"] = list(schema.get("properties", {}))
        if name in EXAMPLES:
            schema["examples"] = [EXAMPLES[name]]


def _referenced(part: Any, schemas: Document) -> Iterator[str]:
    """Yield the name of each schema that `part` of the document refers to, at any depth."""
    if isinstance(part, list):
        for each in part:
            yield from _referenced(each, schemas)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                name = value.removeprefix(_PREFIX)
                yield name
                yield from _referenced(schemas[name], schemas)
            else:
                yield from _referenced(value, schemas)


def _make_token_url_absolute(found: Document, base_url: str) -> None:
    """A relative one would be resolved against the server's URL without its last segment."""
    flows = found["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]
    flows["password"]["tokenUrl"] = f"{base_url}/auth/jwt/login"
