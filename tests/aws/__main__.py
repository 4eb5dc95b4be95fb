"""Serve this folder's Keystead from Lambda's runtime, to try it on a laptop.

python -m tests.aws [--port 8081]

The settings are those of `keystead serve`: variables and `.env`; by default all files are in ./var.
"""

import argparse
import os
import signal
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import make_url

from app.settings.model import Settings
from tests.aws.artifact import artifact
from tests.aws.emulator import Emulator
from tests.aws.gateway import Gateway, schedule

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.aws")
    parser.add_argument("--port", type=int, default=8081, help="port to listen on")
    port = parser.parse_args().port
    # As Ctrl-C does: it ends every process of the group.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(port)
    except KeyboardInterrupt:
        pass


def serve(port: int) -> None:
    """Serve until SIGTERM, which is raised as KeyboardInterrupt."""
    settings = Settings()
    task = artifact(DRIVERS[make_url(settings.database_url).get_backend_name()])
    logs = Path("var/lambda").absolute()
    environment = environment_for(settings, f"http://127.0.0.1:{port}")
    with Emulator(task, environment, logs / "migrate", handler="handler.migrate") as migrate:
        print(f"Database: at revision {migrate.invoke({})['revision']}")
    with ExitStack() as stack:
        sandboxes = [
            stack.enter_context(Emulator(task, environment, logs / name))
            for name in ("api1", "api2", "tick")
        ]
        gateway = stack.enter_context(Gateway(sandboxes[:2], port=port))
        stack.enter_context(schedule(sandboxes[2]))
        print(f"Keystead in Lambda's runtime: {gateway.url} (try {gateway.url}/docs)")
        print("Its logs are in ./var/lambda; Ctrl-C stops it", flush=True)
        while True:
            signal.pause()


def environment_for(settings: Settings, base_url: str) -> dict[str, str]:
    """Return the environment of a function with these settings, whose working directory differs.

    Jobs run each second, so that mail arrives at once.
    """
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        url = url.set(database=str(Path(url.database or "").absolute()))
    mail = settings.mail_url
    if mail.startswith("file:"):
        mail = f"file:{Path(mail.removeprefix('file:').removeprefix('//')).absolute()}"
    return {
        **os.environ,
        "KEYSTEAD_DATABASE_URL": url.render_as_string(hide_password=False),
        "KEYSTEAD_MAIL_URL": mail,
        "KEYSTEAD_SECRET_KEY": ",".join(settings.secret_keys()),
        "KEYSTEAD_BASE_URL": base_url,
        "KEYSTEAD_TICK_SECONDS": "1",
    }


if __name__ == "__main__":
    main()
