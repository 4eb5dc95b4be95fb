"""How the workers of a parallel run divide the tests between them."""

import re

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_SERVICE = re.compile(r"tests/contract/.*\[(in-process|tcp|lambda)\b")


class ByService(LoadScopeScheduling):  # type: ignore[misc]
    """Gives the contract's tests of one kind of service to one worker; the others file by file.

    Starting a service, or what a file's tests share, takes longer than most tests of it.
    """

    def _split_scope(self, nodeid: str) -> str:
        service = _SERVICE.match(nodeid)
        return service.group(1) if service else nodeid.partition("::")[0]


# Those whose tests take a minute and more, so that none of them begins when the others end.
_SLOW = (
    "tests/docs/test_pages.py",
    "tests/contract/",
    "tests/cli/test_migrate.py",
    "tests/cli/test_commands.py",
    "tests/test_schemathesis.py",
    "tests/test_crash.py",
    "tests/test_storm.py",
    "tests/http/test_long_texts.py",
    "tests/docs/test_fields.py",
    "tests/settings/test_database_url.py",
    "tests/database/test_outage.py",
)


def slowest_first(item: pytest.Item) -> int:
    """Return the rank of a test's file, to sort a run's tests by."""
    return next((n for n, path in enumerate(_SLOW) if item.nodeid.startswith(path)), len(_SLOW))
