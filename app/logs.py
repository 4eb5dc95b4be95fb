"""Log lines: JSON in production, readable ones in development; ours and the libraries' alike."""

import logging
import sys

import structlog
from structlog.typing import Processor

from app.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Send every log line to standard error in the form the environment asks for."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_form(settings),
            ],
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
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            pad_event_to=24,
        )
    ]
