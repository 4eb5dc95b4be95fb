"""SMTP servers for the tests."""

import asyncio
import email
import email.policy
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any, AnyStr, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app import clock

USERNAME = "keystead"
PASSWORD = "a password / with ü"
BUSY = "451 4.3.0 try again later"
UNKNOWN = "550 5.1.1 no such mailbox"


class Taken(NamedTuple):
    """A message that a server accepted."""

    recipient: str
    content: bytes
    over_tls: bool
    authenticated: bool

    @property
    def message(self) -> EmailMessage:
        message = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


@dataclass
class Postmaster:
    """Decides which messages a server accepts, and keeps them."""

    refused: dict[str, str] = field(default_factory=dict)
    """Answers to RCPT, by recipient."""
    taken: list[Taken] = field(default_factory=list)
    passwords: list[bytes] = field(default_factory=list)
    greeted: int = 0
    names: list[str] = field(default_factory=list)
    """The names that clients gave in EHLO."""
    port: int = 0

    def recipients(self) -> Counter[str]:
        return Counter(taken.recipient for taken in self.taken)

    def message_ids(self) -> list[str]:
        return [str(taken.message["Message-ID"]) for taken in self.taken]

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, _: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.names.append(hostname)
        if session.ssl is None:
            self.greeted += 1
        return responses

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content
        assert content is not None
        secure, known = session.ssl is not None, bool(session.authenticated)
        for recipient in envelope.rcpt_tos:
            self.taken.append(Taken(recipient, content, secure, known))
        return "250 OK"

    def authenticate(
        self, _: SMTP, __: Session, ___: Envelope, mechanism: str, proof: LoginPassword
    ) -> AuthResult:
        self.passwords.append(proof.password)
        right = LoginPassword(USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=proof == right, handled=False)


class Slow(Postmaster):
    """Delays the answer to the first message."""

    def __init__(self, answer: str = "250 OK") -> None:
        super().__init__()
        self.answer = answer
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.reached.is_set():
            return await super().handle_DATA(server, session, envelope)
        self.reached.set()
        await self.go_on.wait()
        if not self.answer.startswith("250"):
            return self.answer
        return await super().handle_DATA(server, session, envelope)


class Vanishing(SMTP):
    """Can close the connection without a word."""

    def vanish(self) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.abort()


class DeclinesTLS(SMTP):
    """Offers STARTTLS, and cannot do it."""

    async def smtp_STARTTLS(self, _: str) -> None:  # noqa: N802
        await self.push("454 4.7.0 TLS not available")


class FailsTLS(SMTP):
    """Offers STARTTLS, and answers the handshake in clear text."""

    async def smtp_STARTTLS(self, _: str) -> None:  # noqa: N802
        await self.push("220 go ahead")
        await self._reader.read(1)
        await self.push("454 4.7.0 TLS not available")


class HangsUpInData(Vanishing):
    """Closes the connection after the first line of a message."""

    async def smtp_DATA(self, _: str) -> None:  # noqa: N802
        await self.push("354 go ahead")
        await self._reader.readline()
        self.vanish()


class HangsUpBeforeTheOk(Vanishing):
    """Accepts the message, and closes the connection without an answer."""

    async def push(self, status: AnyStr) -> None:
        if self.event_handler.taken:
            self.vanish()
        else:
            await super().push(status)


class HangsUpAtOnce(asyncio.Protocol):
    """Closes each connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@asynccontextmanager
async def smtp_server(
    postmaster: Postmaster,
    kind: type[SMTP] = SMTP,
    *,
    port: int = 0,
    certificate: Path | None = None,
    starttls: bool = False,
    **options: Any,
) -> AsyncIterator[Postmaster]:
    """Serve SMTP during the block; SMTPS with a `certificate`, unless it is for STARTTLS."""
    loop = asyncio.get_running_loop()
    context = server_context(certificate) if certificate else None
    settings = {
        "authenticator": postmaster.authenticate,
        "hostname": "smtp.camelot.bt",
        "tls_context": context if starttls else None,
        "loop": loop,
        **options,
    }
    server = await loop.create_server(
        lambda: kind(postmaster, **settings),
        "127.0.0.1",
        port,
        ssl=None if starttls else context,
    )
    postmaster.port = server.sockets[0].getsockname()[1]
    async with server:
        yield postmaster


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def write_certificate(path: Path) -> Path:
    """Write a self-signed certificate for 127.0.0.1 and its key to `path`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(hours=1))
        .not_valid_after(clock.now() + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
