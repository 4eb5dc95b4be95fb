"""Log lines: JSON in production, readable ones in development; ours and the libraries'."""

import logging
import sys
from contextlib import suppress
from typing import ClassVar, TextIO

import structlog
from structlog.typing import EventDict, Processor


class _Lines:
    """Writes lines. A log that cannot be written, on a full disk, fails no request."""

    stream: ClassVar[TextIO] = sys.stderr  # cached loggers follow it

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self.stream.write(line + "\n")

    debug = info = warning = error = msg


def configure_logging(level: str, *, as_json: bool) -> None:
    """Write log lines of `level` and above to standard error: JSON, or readable by people."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers = _renderers(as_json=as_json)
    _Lines.stream = sys.stderr
    # Bypasses the standard library's loggers, which cost more than the rest of a log line.
    structlog.configure(
        processors=[*shared, *renderers],
        logger_factory=lambda *_: _Lines(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Lines.stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # Its lines hold the query, and so tokens of links in mails. RequestLogMiddleware logs instead.
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("aiosqlite", "alembic.runtime.plugins", "mangum.http"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _renderers(*, as_json: bool) -> list[Processor]:
    if as_json:
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
    """Escape control characters: a client can send a path with a terminal's escape sequence."""
    for name, value in entry.items():
        if name != "event" and isinstance(value, str) and not value.isprintable():
            entry[name] = value.encode("unicode_escape").decode()
    return entry
