"""The transports of mail: a folder, the console, an SMTP server."""

import asyncio
import os
import ssl
import sys
import tempfile
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.folders import make_private, open_private
from app.settings.model import Settings
from app.settings.urls import LOOPBACK

OPERATION_SECONDS = 10
_VERIFY_HINT = ": name its authority in KEYSTEAD_MAIL_CA_FILE, or set KEYSTEAD_MAIL_VERIFY=false"


class MessageRejected(Exception):
    """The server refused this message; it may accept others."""


class MailServerUnavailable(Exception):
    """The server cannot be reached, or closed the connection."""


class Transport(Protocol):
    """Sends a message, or raises MessageRejected or MailServerUnavailable."""

    async def send(self, message: EmailMessage) -> None: ...

    async def check(self) -> None:
        """Raise MailServerUnavailable if no message could be sent now."""

    async def aclose(self) -> None: ...


def open_transport(settings: Settings) -> Transport:
    """Return the transport for KEYSTEAD_MAIL_URL. It connects at its first use."""
    url = urlsplit(settings.mail_url)
    if url.scheme == "file":
        return FolderTransport(Path(settings.mail_url.removeprefix("file:").removeprefix("//")))
    if url.scheme == "console":
        return ConsoleTransport()
    return SMTPTransport(
        settings.mail_url,
        greeting=_greeting(settings),
        ca_file=settings.mail_ca_file,
        verify=settings.mail_verify,
    )


def _greeting(settings: Settings) -> str:
    """Return the name that EHLO gives; an address as a literal (RFC 5321, section 4.1.3)."""
    host = settings.mail_ehlo or urlsplit(settings.base_url).hostname or "localhost"
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return host.rstrip(".")
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


class FolderTransport:
    """One .eml file a message, written atomically; sent again, a message replaces its file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, message: EmailMessage) -> None:
        await asyncio.to_thread(self._write, message)

    def _write(self, message: EmailMessage) -> None:
        name = message["Message-ID"].strip("<>").partition("@")[0]
        try:
            make_private(self._path)
            draft = self._path / f"{name}.{os.getpid()}.draft"
            try:
                # Lines end as this system's files do: grep finds a token without a CR.
                content = message.as_bytes(policy=message.policy.clone(linesep=os.linesep))
                with open(draft, "wb", opener=open_private) as file:
                    file.write(content)
                draft.replace(self._path / f"{name}.eml")
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> MailServerUnavailable:
        return MailServerUnavailable(f"cannot write to {self._path.absolute()}: {error.strerror}")

    async def check(self) -> None:
        try:
            make_private(self._path)
            tempfile.TemporaryFile(dir=self._path).close()
        except OSError as error:
            raise self._unavailable(error) from error

    async def aclose(self) -> None:
        pass


class ConsoleTransport:
    """Messages on standard output."""

    async def send(self, message: EmailMessage) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        text = message.as_bytes().decode().encode(encoding, "replace").decode(encoding)
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except OSError as error:
            raise MailServerUnavailable(f"the console: {error.strerror}") from error

    async def check(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class SMTPTransport:
    """An SMTP server (RFC 5321), one connection for all messages.

    Uses STARTTLS if the server offers it. Sends a password without TLS only to loopback. Without a
    password TLS is opportunistic (RFC 7435): any certificate will do, and if it fails, none is
    used.
    """

    def __init__(
        self,
        url: str,
        *,
        greeting: str | None = None,
        ca_file: str | None = None,
        verify: bool | None = None,
    ) -> None:
        """`greeting`: the name in EHLO. `verify` or `ca_file`: verify the certificate, need TLS."""
        parts = urlsplit(url)
        password = unquote(parts.password) if parts.password else None
        is_smtps = parts.scheme == "smtps"
        verified = verify or ca_file is not None
        encrypt = verified or (password is not None and parts.hostname not in LOOPBACK)
        self._start_tls = True if encrypt and not is_smtps else None
        self._is_opportunistic = not (encrypt or is_smtps or parts.username)
        if verify is None:
            verify = verified or is_smtps or password is not None
        self._address = f"{parts.hostname}:{parts.port or 'default port'}"
        self._client = aiosmtplib.SMTP(
            hostname=parts.hostname,
            port=parts.port,
            username=unquote(parts.username) if parts.username else None,
            password=password,
            use_tls=is_smtps,
            start_tls=self._start_tls,
            local_hostname=greeting,
            validate_certs=verify,
            cert_bundle=ca_file,
            timeout=OPERATION_SECONDS,
        )

    async def send(self, message: EmailMessage) -> None:
        await self.check()
        try:
            await self._client.send_message(message)
        except aiosmtplib.SMTPNotSupported as error:
            raise MessageRejected(str(error)) from error
        except (
            aiosmtplib.SMTPResponseException,
            aiosmtplib.SMTPRecipientsRefused,
        ) as error:
            if not self._client.is_connected:
                raise MailServerUnavailable(f"{self._address} hung up: {error}") from error
            await self._reset()
            raise MessageRejected(str(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            raise MailServerUnavailable(f"{self._address} hung up: {error}") from error

    async def _reset(self) -> None:
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()

    async def check(self) -> None:
        if self._client.is_connected:
            return
        try:
            await self._connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            hint = _VERIFY_HINT if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
            raise MailServerUnavailable(f"{self._address}: {error}{hint}") from error

    async def _connect(self) -> None:
        try:
            await self._client.connect(start_tls=self._start_tls)
        except (ssl.SSLError, aiosmtplib.SMTPResponseException):
            if not self._is_opportunistic:
                raise
            await self._client.connect(start_tls=False)

    async def aclose(self) -> None:
        try:
            await self._client.quit()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()
