"""How the workers of a parallel run divide the tests between them."""

import re

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_SERVICE = re.compile(r"tests/contract/.*\[(in-process|tcp|lambda)\b")


class ByService(LoadScopeScheduling):  # type: ignore[misc]
    """Gives the contract's tests of one kind of service to one worker; the others file by file.

    Starting a service, or what a file's tests share, takes longer than most tests of it.
    """

    def _split_scope(self, nodeid: str) -> str:
        service = _SERVICE.match(nodeid)
        return service.group(1) if service else nodeid.partition("::")[0]
