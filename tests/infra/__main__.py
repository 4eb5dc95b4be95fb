"""Plant each fault in the template, one at a time, and print the checks that detect it.

python -m tests.infra [WORD...]: only the faults with one of the words in their names.
"""

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.infra.checks import CHECKS
from tests.infra.faults import FAULTS, Fault
from tests.infra.template import ROOT, Template

# Each takes seconds.
SLOW = {"lint", "versions_follow_parameters"}


def seen(fault: Fault, sound: str) -> list[str]:
    """Return the names of the checks that detect the fault; slow checks run only for theirs.

    Raises ValueError if the fault's text is not in the template any more.
    """
    if fault.old not in sound:
        raise ValueError(f"the template has no {fault.old!r}")
    template = Template(sound.replace(fault.old, fault.new))
    return [
        name for name in CHECKS if name not in SLOW - {fault.caught_by} and sees(name, template)
    ]


def sees(name: str, template: Template) -> bool:
    """Return whether the check reports a problem; an exception does not count."""
    try:
        return next(CHECKS[name](template), None) is not None
    except (LookupError, TypeError, ValueError, AttributeError):
        return False


def main(*words: str) -> int:
    sound = (ROOT / "infra" / "template.yaml").read_text()
    table = Table("fault", "must be caught by", "also seen by")
    survivors = 0
    for fault in FAULTS:
        if words and not any(word in fault.name for word in words):
            continue
        by = seen(fault, sound)
        caught = fault.caught_by in by
        survivors += not caught
        others = ", ".join(name for name in by if name != fault.caught_by)
        mark = Text(fault.caught_by if caught else f"{fault.caught_by}: IT DOES NOT SEE IT")
        table.add_row(fault.name, mark, others)
    Console(width=140).print(table)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
