"""The settings: KEYSTEAD_* variables, or the same names in a .env file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app.settings import texts
from app.settings.database_url import with_credentials, with_driver
from app.settings.development_secret import SECRET_MIN_LENGTH, development_secret
from app.settings.files import FilesSource
from app.settings.sources import SecretsSource, read_members
from app.settings.urls import LOOPBACK

if TYPE_CHECKING:
    from app.settings.private_keys import PrivateKey

TEN_YEARS = 315_360_000  # seconds

BearerToken = Annotated[SecretStr, AfterValidator(texts.bearer_token)]


class Settings(BaseSettings):
    """The settings, checked. docs/settings.md says the same in prose."""

    model_config = SettingsConfigDict(
        env_prefix="KEYSTEAD_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    environment: Literal["development", "production"] = Field(
        "development",
        description="`production` refuses to start half-configured and logs JSON.",
    )
    database_url: Annotated[str, AfterValidator(with_driver)] = Field(
        "sqlite+aiosqlite:///./var/keystead.db",
        validation_alias=AliasChoices("KEYSTEAD_DATABASE_URL", "DATABASE_URL"),
        description="The database. `DATABASE_URL` is read too.",
    )
    database_connections: int = Field(
        20,
        ge=1,
        le=1_000,
        description="The most database connections of each process, beside two for probes and "
        "scrapes; on Lambda 1.",
    )
    database_pooler: Literal["none", "session", "transaction"] = Field(
        "none",
        description="The mode of a pooler in front of PostgreSQL (PgBouncer, a managed host's): "
        "`session`, or `transaction`, which needs `KEYSTEAD_MIGRATE_DATABASE_URL`.",
    )
    migrate_database_url: Annotated[str, AfterValidator(with_driver)] | None = Field(
        None,
        description="The database for migrations, if `KEYSTEAD_DATABASE_URL` leads through a "
        "transaction pooler: the same one, past the pooler.",
    )
    secret_key: Annotated[SecretStr, AfterValidator(texts.secret_keys)] | None = Field(
        None,
        description="Signs tokens; at least 32 characters. Several, with commas between: the first "
        "one signs, tokens of the others are valid too. Development creates one in `var/`; "
        "production refuses to start without it.",
    )
    signing_key: Annotated[SecretStr, AfterValidator(texts.private_keys)] | None = Field(
        None,
        description="Private key in PEM that signs access tokens: Ed25519, P-256 or RSA. With "
        "several, the first one signs, tokens of the others are valid too. By default an Ed25519 "
        "key is derived from each of `KEYSTEAD_SECRET_KEY`.",
    )
    audience: Annotated[str, AfterValidator(texts.audience)] | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The audience of access tokens, which other services expect; by default "
        "`KEYSTEAD_BASE_URL`.",
    )
    base_url: Annotated[str, AfterValidator(texts.base_url)] = Field(
        "http://127.0.0.1:8080",
        description="The public address of this service, with the path that a proxy serves it "
        "below; links start with it.",
    )
    origins: Annotated[list[Annotated[str, AfterValidator(texts.origin)]], NoDecode] = Field(
        [],
        description="Origins of browser applications that may call this service, with commas "
        "between: `https://app.example.org`. Each is exact, and may send credentials.",
    )
    mail_url: Annotated[str, AfterValidator(texts.mail_url)] = Field(
        "file:./var/mail",
        description="How mail leaves: `file:FOLDER` (one .eml a message), `console:`, "
        "`smtp://user:password@host:587` (STARTTLS where the server offers it), "
        "`smtps://user:password@host:465`.",
    )
    mail_from: Annotated[str, AfterValidator(texts.sender)] = Field(
        "Keystead <keystead@localhost>", description="The sender of every message."
    )
    mail_ehlo: Annotated[str, AfterValidator(texts.host)] | None = Field(
        None,
        description="The name or address of this host that mail servers are greeted with; by "
        "default the host of `KEYSTEAD_BASE_URL`.",
    )
    mail_ca_file: Annotated[str, AfterValidator(texts.certificates)] | None = Field(
        None,
        description="File with the authority of the mail server's certificate, in PEM, beside "
        "those that the system knows. Mail then leaves with TLS only.",
    )
    mail_verify: bool | None = Field(
        None,
        description="Whether the mail server's certificate is verified, and TLS needed. By default "
        "it is verified with `smtps://`, and where a password is sent.",
    )
    tick_token: Annotated[list[BearerToken], NoDecode] = Field(
        [],
        description="Bearer token of `POST /tick`; two, with a comma between, while one replaces "
        "the other. Empty: the route answers 404.",
    )
    metrics_token: Annotated[list[BearerToken], NoDecode] = Field(
        [],
        description="Bearer token of `GET /metrics`; two, as above. Empty: the route answers 404.",
    )
    service_token: Annotated[list[BearerToken], NoDecode] = Field(
        [],
        description="Bearer token with which other services ask `POST /auth/introspect`; two, as "
        "above. Empty: the route answers 404.",
    )
    tick_seconds: int = Field(
        10,
        ge=0,
        le=86_400,
        description="Period in seconds of jobs without one of their own. 0: no local loop, "
        "an external scheduler calls `POST /tick` or `keystead tick`; the period is then 10.",
    )
    access_seconds: int = Field(
        3_600, ge=1, le=TEN_YEARS, description="Lifetime of an access token, in seconds."
    )
    session_idle_seconds: int = Field(
        1_209_600,
        ge=1,
        le=TEN_YEARS,
        description="A session ends when it is not used for so long, in seconds (14 days).",
    )
    session_seconds: int = Field(
        7_776_000,
        ge=1,
        le=TEN_YEARS,
        description="A session ends so long after its log-in at the latest, in seconds (90 days).",
    )
    audit_days: int = Field(
        365, ge=1, le=36_500, description="How long audit events are kept, in days."
    )
    verify_seconds: int = Field(
        86_400,
        ge=1,
        le=TEN_YEARS,
        description="Lifetime of a link to verify an address, in seconds.",
    )
    reset_seconds: int = Field(
        3_600,
        ge=1,
        le=TEN_YEARS,
        description="Lifetime of a link to reset a password, in seconds.",
    )
    require_verified: bool = Field(
        False, description="Only accounts with a verified address can log in."
    )
    password_min_length: int = Field(
        8, ge=1, le=128, description="Shortest password accepted, in characters."
    )
    argon2_memory_kib: int = Field(
        19_456,
        ge=8,
        description="Argon2id memory in KiB. The default is OWASP's 19 MiB.",
    )
    argon2_time_cost: int = Field(2, ge=1, description="Argon2id passes over the memory.")
    argon2_parallelism: int = Field(1, ge=1, description="Argon2id lanes.")
    body_limit_bytes: int = Field(
        65_536,
        ge=1_024,
        description="Largest request body accepted; beyond it the answer is 413.",
    )
    http_connections: int = Field(
        1_000,
        ge=1,
        le=100_000,
        description="The most connections of clients to each process of `keystead serve`; beyond "
        "it, one that has waited for long is closed, or the new one answered 503.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged."
    )
    secrets: Annotated[list[str], NoDecode] = Field(
        [],
        description="ARNs of secrets in AWS Secrets Manager, with commas between: JSON objects "
        "whose members are settings that neither a variable nor `.env` names (`secret_key`, "
        "`mail_url`, …), or the `username` and `password` that complete `KEYSTEAD_DATABASE_URL`. "
        "The first one wins.",
    )
    lambda_function: str | None = Field(
        None,
        validation_alias="AWS_LAMBDA_FUNCTION_NAME",
        description="Set by AWS Lambda. There, no local loop runs, and one database connection is "
        "kept.",
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: Any, **named: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Ask for each setting: arguments, secrets, files, the environment, `.env`."""
        variables = (named["env_settings"], named["dotenv_settings"])
        given = (FilesSource(settings_cls, *variables), *variables)
        return named["init_settings"], SecretsSource(settings_cls, *given), *given

    @field_validator(
        "tick_token", "metrics_token", "service_token", "secrets", "origins", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return texts.split_list(value) if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _tidy(cls, value: object) -> object:
        """Strip a text, to which files add a newline or a byte order mark.

        Raises ValueError for quotes around a text: some readers of env files keep them.
        """
        if not isinstance(value, str):
            return value
        text = value.strip().strip("\ufeff").strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
            raise ValueError("quotes around the value would be a part of it: leave them out")
        return text

    @model_validator(mode="after")
    def _not_half_configured(self) -> Self:
        if self.is_production and self.secret_key is None:
            raise ValueError(
                "KEYSTEAD_SECRET_KEY is missing. Production does not start without it: "
                "set it to at least 32 random characters, the same on every host"
            )
        if self.mail_ca_file is not None and self.mail_verify is False:
            raise ValueError("KEYSTEAD_MAIL_CA_FILE has no effect: KEYSTEAD_MAIL_VERIFY is false")
        if self.database_pooler != "none" and not self.database_url.startswith("postgresql"):
            raise ValueError("KEYSTEAD_DATABASE_POOLER is for PostgreSQL alone: unset it")
        kind = self.database_url.partition("+")[0]
        if self.migrate_database_url and not self.migrate_database_url.startswith(f"{kind}+"):
            raise ValueError(f"KEYSTEAD_MIGRATE_DATABASE_URL: another database than {kind}")
        keys = self._given_keys()
        if keys is not None and min(map(len, keys), default=0) < SECRET_MIN_LENGTH:
            raise ValueError("KEYSTEAD_SECRET_KEY: at least 32 characters, of each key if several")
        if self.argon2_memory_kib < 8 * self.argon2_parallelism:
            raise ValueError("KEYSTEAD_ARGON2_MEMORY_KIB: at least 8 for each lane (RFC 9106)")
        return self

    def half_configured(self) -> str | None:
        """Return what production should set and has not, or None."""
        if not self.is_production:
            return None
        wanted = ("base_url", "mail_from", "mail_url")
        unset = [f"KEYSTEAD_{name.upper()}" for name in wanted if name not in self.model_fields_set]
        if unset:
            names = ", ".join(unset)
            return f"production with the default of {names}: set the public address and sender"
        if not self.has_tls and urlsplit(self.base_url).hostname not in LOOPBACK:
            return (
                "KEYSTEAD_BASE_URL begins with http: browsers send sessions' cookies and mailed "
                "links without TLS. Serve it with TLS, and set the address with https"
            )
        return None

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def base_path(self) -> str:
        """The decoded path of the base URL; empty, or with a slash at its start alone."""
        return unquote(urlsplit(self.base_url).path)

    def current_database_url(self) -> str:
        """Return the database's URL with the credentials that the secrets hold now.

        Blocks while AWS is asked. Raises ValueError if a secret cannot be read.
        """
        members = read_members(self.secrets)
        if "password" not in members:
            return with_driver(members.get("database_url", self.database_url))
        username, password = members.get("username", ""), members["password"]
        return with_credentials(self.database_url, username, password)

    @property
    def migration_url(self) -> str:
        """The database's URL for migrations. Raises ValueError if there is only a pooler's."""
        if self.migrate_database_url is not None:
            return self.migrate_database_url
        if self.database_pooler == "transaction":
            raise ValueError(
                "KEYSTEAD_MIGRATE_DATABASE_URL is missing: a migration's lock is lost in a "
                "transaction pooler. Set it to the database past the pooler"
            )
        return self.database_url

    @property
    def runs_loop(self) -> bool:
        """Whether this process triggers its jobs itself."""
        return self.tick_seconds > 0 and self.lambda_function is None

    @property
    def tick_period(self) -> int:
        """Seconds between two occurrences of a job without a period of its own."""
        return self.tick_seconds or 10

    @property
    def has_tls(self) -> bool:
        """Whether clients reach the service over TLS; a developer's on loopback they do not."""
        return self.base_url.startswith("https:")

    @property
    def cookie_name(self) -> str:
        """The name of the session's cookie.

        With its prefix, browsers take it from this host alone, over TLS and for all paths
        (RFC 6265bis, section 4.1.3.2).
        """
        return "__Host-keystead" if self.has_tls else "keystead"

    @property
    def access_audience(self) -> str:
        """The audience of access tokens."""
        return self.audience or self.base_url

    def secret_keys(self, folder: Path = Path("var")) -> list[str]:
        """Return the secret keys, first the one that signs.

        Development creates one in `folder`/secret the first time.
        """
        return self._given_keys() or [development_secret(folder / "secret")]

    def private_keys(self) -> "list[PrivateKey]":
        """Return the keys of `signing_key`, first the one that signs."""
        if self.signing_key is None:
            return []
        from app.settings.private_keys import read_private_keys

        return read_private_keys(self.signing_key.get_secret_value())

    def _given_keys(self) -> list[str] | None:
        if self.secret_key is None:
            return None
        return texts.split_list(self.secret_key.get_secret_value())
