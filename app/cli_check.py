"""`keystead check`: what is wrong, and what mends it."""

import os
from difflib import get_close_matches

from dotenv import dotenv_values
from rich.table import Table

from app import schema
from app.console import Failure, out, plain, with_services
from app.mail.transports import Away, open_transport
from app.services import Services
from app.settings import Settings

_PREFIX = "KEYSTEAD_"


def check() -> None:
    """Look at settings, database, migrations and mail: what is wrong, and what mends it."""
    faults = with_services(_look, must_be_ready=False)
    table = Table("What", "State")
    for what, fault in faults.items():
        table.add_row(what, "[green]ok[/]" if fault is None else f"[red]{plain(fault)}[/]")
    out.print(table)
    if any(faults.values()):
        raise Failure("not everything is as it should be")


async def _look(services: Services) -> dict[str, str | None]:
    settings = services.settings
    mail_fault = None
    transport = open_transport(settings)
    try:
        await transport.check()
    except Away as error:
        mail_fault = f"{error}: is KEYSTEAD_MAIL_URL right?"
    await transport.aclose()
    settings_faults = filter(None, [settings.half_configured(), *_misspelt()])
    return {
        "settings": "; ".join(settings_faults) or None,
        "database and migrations": await schema.fault(services.database),
        "mail": mail_fault,
    }


def _misspelt() -> list[str]:
    """Say of each KEYSTEAD_ variable, set or in .env, that is no setting, which is nearest."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    return [
        f"{name} is no setting"
        + "".join(f": {near}?" for near in get_close_matches(name, known, 1))
        for name in sorted(given - set(known))
        if name.startswith(_PREFIX)
    ]
