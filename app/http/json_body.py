"""The checks of a JSON body that are made before FastAPI parses it."""

import json
from typing import NoReturn

MAX_DEPTH = 32


def is_json(content_type: str | None) -> bool:
    """Return whether FastAPI parses the body as JSON; without the header it does."""
    if not content_type:
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))


def is_mislabelled(content_type: str, body: bytes) -> bool:
    """Return whether a JSON object is labelled as a form, the type that `curl -d` gives any body.

    A form would begin with %7B.
    """
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded" and body.lstrip()[:1] == b"{"


def find_problem(body: bytes) -> str | None:
    """Return why `body` is refused as JSON (RFC 8259), or None. An empty body is fine."""
    if not body:
        return None
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in body.lower():
            json.dumps(value, ensure_ascii=False).encode()
        if _too_deep(value):
            return "The body is nested too deeply"
    except UnicodeEncodeError:
        return "The body escapes half of a surrogate pair"
    except UnicodeDecodeError:
        return "The body is not UTF-8"
    except RecursionError:
        return "The body is nested too deeply"
    except ValueError as error:
        return f"The body is not JSON: {error}"
    return None


def _too_deep(value: object, limit: int = MAX_DEPTH) -> bool:
    """Return whether containers in `value` are nested beyond `limit` levels."""
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return limit == 0 or any(_too_deep(child, limit - 1) for child in children)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
