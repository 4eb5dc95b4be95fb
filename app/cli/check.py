"""`keystead check`: the problems of an installation, with their remedies."""

import os
from difflib import get_close_matches

from dotenv import dotenv_values
from rich.table import Table

from app.cli.console import Failure, out, plain, with_resources
from app.mail.transports import MailServerUnavailable, open_transport
from app.resources import Resources
from app.schema import revisions
from app.settings.model import Settings

_PREFIX = "KEYSTEAD_"


def check() -> None:
    """Check settings, database, migrations and mail; name each problem and its remedy."""
    problems = with_resources(_find_problems, must_be_ready=False)
    table = Table("Part", "State")
    for part, problem in problems.items():
        table.add_row(part, "[green]ok[/]" if problem is None else f"[red]{plain(problem)}[/]")
    out.print(table)
    if any(problems.values()):
        raise Failure("not everything is as it should be")


async def _find_problems(resources: Resources) -> dict[str, str | None]:
    settings = resources.settings
    mail_problem = None
    transport = open_transport(settings)
    try:
        await transport.check()
    except MailServerUnavailable as error:
        mail_problem = f"{error}: is KEYSTEAD_MAIL_URL right?"
    await transport.aclose()
    settings_problems = filter(None, [settings.half_configured(), *_misspelt()])
    return {
        "settings": "; ".join(settings_problems) or None,
        "database and migrations": await revisions.find_problem(resources.database),
        "mail": mail_problem,
    }


def _misspelt() -> list[str]:
    """Return a line for each KEYSTEAD_ variable, set or in .env, that is no setting."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    return [
        f"{name} is no setting"
        + "".join(f": {near}?" for near in get_close_matches(name, known, 1))
        for name in sorted(given - set(known))
        if name.startswith(_PREFIX)
    ]
