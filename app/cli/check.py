"""`keystead check`: the problems of an installation, with their remedies."""

import os
from collections.abc import Mapping
from contextlib import aclosing
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from rich.table import Table

from app import clock
from app.cli.console import Failure, out, plain, with_resources
from app.database.engine import Database
from app.database.statements import database_now
from app.errors import DatabaseUnavailable
from app.ids import new_id
from app.jobs import LETTERS
from app.mail.transports import MailServerUnavailable, open_transport
from app.models import TABLES
from app.resources import Resources
from app.schema import revisions
from app.settings.files import SECRET_SETTINGS
from app.settings.model import Settings
from app.users.database import UserDatabase

if TYPE_CHECKING:
    from app.mail.delivery import Compose

_PREFIX = "KEYSTEAD_"
_CLOCKS_DIFFER_SECONDS = 5


def check() -> None:
    """Check settings, database, migrations, mail and letters; name each problem and its remedy."""
    problems = with_resources(_find_problems, must_be_ready=False)
    table = Table("Part", "State")
    for part, problem in problems.items():
        table.add_row(part, "[green]ok[/]" if problem is None else f"[red]{plain(problem)}[/]")
    out.print(table)
    if any(problems.values()):
        raise Failure("not everything is as it should be")


async def _find_problems(resources: Resources) -> dict[str, str | None]:
    settings_problems = filter(None, [resources.settings.half_configured(), *_misspelt()])
    database_problem = await revisions.find_problem(resources.database, TABLES)
    clock_problem = None
    if database_problem is None:
        clock_problem = await _find_clock_problem(resources.database)
    mail_problem = await _find_transport_problem(resources.settings)
    if mail_problem is None and database_problem is None:
        try:
            mail_problem = await find_letter_problem(resources, LETTERS)
        except DatabaseUnavailable as error:
            database_problem = f"it takes no account: {error}"
    return {
        "settings": "; ".join(settings_problems) or None,
        "database and migrations": database_problem,
        "clocks": clock_problem,
        "mail": mail_problem,
    }


async def _find_clock_problem(database: Database) -> str | None:
    async with database.transaction() as session:
        theirs, ours = await database_now(session), clock.now()
    seconds = (ours - theirs).total_seconds()
    if abs(seconds) <= _CLOCKS_DIFFER_SECONDS:
        return None
    return (
        f"this machine's clock is {abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} "
        "the database's: tokens go by this one, jobs and mail by the database's. Set both by NTP"
    )


async def _find_transport_problem(settings: Settings) -> str | None:
    async with aclosing(open_transport(settings)) as transport:
        try:
            await transport.check()
        except MailServerUnavailable as error:
            return f"{error}: is KEYSTEAD_MAIL_URL right?"
    return None


async def find_letter_problem(resources: Resources, letters: Mapping[str, "Compose"]) -> str | None:
    """Return the first of `letters` that cannot be written, with the error, or None.

    Each is composed for an account that is created for it and rolled back, and written as it
    would be sent.
    """
    # Other commands, the server among them, save the templates' memory.
    from app.mail.messages import write_message

    async with resources.database.transaction() as session:
        message_id = new_id()
        values = {"email": f"{message_id.hex}@example.org", "hashed_password": "!"}
        user = await UserDatabase(session).create(values)
        try:
            for name, compose in letters.items():
                try:
                    letter = await compose(resources, session, user.email)
                    if letter is not None:
                        write_message(resources.settings, letter, message_id).as_bytes()
                except Exception as error:  # of any kind: a template is code of its owner's
                    return f"the letter {name} cannot be written: {type(error).__name__}: {error}"
        finally:
            await session.rollback()
    return None


def _misspelt() -> list[str]:
    """Return a line for each KEYSTEAD_ variable, set or in .env, that is no setting."""
    names = (*Settings.model_fields, *(f"{name}_file" for name in SECRET_SETTINGS))
    known = [f"{_PREFIX}{name.upper()}" for name in names]
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    return [
        f"{name} is no setting"
        + "".join(f": {near}?" for near in get_close_matches(name, known, 1))
        for name in sorted(given - set(known))
        if name.startswith(_PREFIX)
    ]
