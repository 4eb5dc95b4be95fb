"""Log lines: JSON in production, readable ones in development; ours and the libraries' alike."""

import logging
import sys
from contextlib import suppress
from typing import ClassVar, TextIO

import structlog
from structlog.typing import EventDict, Processor

from app.settings import Settings


class _Lines:
    """Writes lines. A log that cannot be written, for a full disk say, stops nothing."""

    stream: ClassVar[TextIO] = sys.stderr  # loggers are kept, and shall follow it

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self.stream.write(line + "\n")

    debug = info = warning = error = msg


def configure_logging(settings: Settings) -> None:
    """Send every log line to standard error in the form the environment asks for."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    form = _form(settings)
    _Lines.stream = sys.stderr
    # Not by way of the standard library's loggers, which take longer than all the rest.
    structlog.configure(
        processors=[*shared, *form],
        logger_factory=lambda *_: _Lines(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Lines.stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *form],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # Its lines hold the query, and so the tokens of links from mails. RequestLog writes ours.
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("aiosqlite", "alembic.runtime.plugins", "mangum.http"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _form(settings: Settings) -> list[Processor]:
    if settings.environment == "production":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    # Plain tracebacks: the decorated ones print local variables, passwords among them.
    return [
        _printable,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            pad_event_to=24,
        ),
    ]


def _printable(_: object, __: str, entry: EventDict) -> EventDict:
    """Spell out what a terminal would obey: anybody may ask for a path with an escape in it."""
    for name, value in entry.items():
        if name != "event" and isinstance(value, str) and not value.isprintable():
            entry[name] = value.encode("unicode_escape").decode()
    return entry
