"""Schedule expressions, which only EventBridge Scheduler itself validates.

The grammar is in its guide, "Schedule types": rate(value unit), cron(six fields), at(time).
"""

import re
from datetime import datetime

_UNITS = {"minute": 60, "hour": 3_600, "day": 86_400}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# Minimum, maximum, names in order from the minimum, and other allowed characters.
_FIELDS = {
    "minutes": (0, 59, [], ""),
    "hours": (0, 23, [], ""),
    "day of month": (1, 31, [], r"\?|L|LW|\d+W"),
    "month": (1, 12, _MONTHS, ""),
    "day of week": (1, 7, _DAYS, r"\?|L|\w+L|\w+#[1-5]"),
    "year": (1970, 2199, [], ""),
}


def fault(expression: str) -> str | None:
    """Return the problem of `expression`, or None."""
    if found := re.fullmatch(r"rate\((\d+) (\w+)\)", expression):
        return _rate_fault(int(found[1]), found[2])
    if found := re.fullmatch(r"cron\((.+)\)", expression):
        return _cron_fault(found[1].split(" "))
    if found := re.fullmatch(r"at\((.+)\)", expression):
        try:
            datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007
        except ValueError:
            return "a time looks like 2026-11-22T16:35:40"
        return None
    return "neither rate(…), nor cron(…), nor at(…)"


def seconds(expression: str) -> int | None:
    """Return the seconds between two runs of a rate; None for other expressions."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    return int(found[1]) * _UNITS[found[2]] if found else None


def period(expression: str) -> int:
    """Return the seconds of a rate, or a minute, which is the shortest."""
    return seconds(expression) or 60


def _rate_fault(value: int, unit: str) -> str | None:
    if value < 1:
        return "the shortest is a minute"
    if unit not in (f"{one}{'' if value == 1 else 's'}" for one in _UNITS):
        return f"{value} of {unit}: one is a minute, hour or day, more are minutes, hours or days"
    return None


def _cron_fault(fields: list[str]) -> str | None:
    if len(fields) != len(_FIELDS):
        return f"{len(fields)} fields, not six"
    for (name, (least, greatest, names, others)), field in zip(
        _FIELDS.items(), fields, strict=True
    ):
        for part in field.split(","):
            if others and re.fullmatch(others, part):
                continue
            if not _is_range(part, least, greatest, names):
                return f"{part} is no {name}"
    if (fields[2] == "?") == (fields[4] == "?"):
        return "one of the two days, and not both, is ?"
    return None


def _is_range(part: str, least: int, greatest: int, names: list[str]) -> bool:
    found = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
    if found is None or (found[1] == "*" and found[2]):
        return False
    ends = [one for one in found.group(1, 2) if one and one != "*"]
    values = [names.index(one) + least if one in names else one for one in ends]
    return all(str(one).isdigit() and least <= int(one) <= greatest for one in values)
