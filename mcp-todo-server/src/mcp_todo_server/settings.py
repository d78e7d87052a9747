"""Settings, read from environment variables of the same names in capitals. An empty one counts as unset."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from todo_chat_shared.tokens import check_secret

CommaSeparated = Annotated[tuple[str, ...], NoDecode]

DATABASE_SCHEMES = ("postgresql://", "sqlite:///")


class SettingsError(Exception):
    """A variable has a wrong value or is missing. The text names the variable and never holds a secret."""


class Settings(BaseSettings):
    """What an operator can set. Durations are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    better_auth_secret: SecretStr | None = None
    """HS256 secret that verifies tokens and signs personal ones."""
    better_auth_secret_previous: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Secrets being rotated out: they verify and never sign."""
    auth_jwks_url: str | None = None
    """Where an issuer publishes its keys; unset, only the shared secrets verify."""
    auth_issuer: str | None = None
    """`iss` that tokens verified by JWKS must carry."""
    auth_audience: str | None = None
    """A further audience that tokens verified by JWKS may carry."""
    database_url: str = "sqlite:///data/todo.db"
    database_pool_size: int = Field(default=10, ge=1)
    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65535)
    allowed_hosts: CommaSeparated = ("127.0.0.1:*", "localhost:*", "[::1]:*")
    """`Host` headers answered; `:*` stands for any port, and a lone `*` for any host."""
    public_url: str | None = None
    """This server's own URL as clients know it; without a path, /mcp is added."""
    oauth_discovery: Literal["on", "off"] = "off"
    """`on` publishes protected-resource metadata (RFC 9728), so that clients look for a sign-in at `auth_issuer`;
    `off` leaves them with the bearer token they were configured with."""
    max_body_bytes: int = Field(default=1024 * 1024, ge=1)
    calls_per_minute: int = Field(default=6000, ge=1)
    """Requests that one user may send to this process in a minute."""

    @field_validator("better_auth_secret_previous", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in (part.strip() for part in value.split(",")) if part)
        return value

    @field_validator("better_auth_secret")
    @classmethod
    def _signs(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_secret(value.get_secret_value())
        return value

    @field_validator("better_auth_secret_previous")
    @classmethod
    def _verify(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            check_secret(secret.get_secret_value())
        return value

    @field_validator("database_url")
    @classmethod
    def _is_database_url(cls, value: str) -> str:
        if not value.startswith(DATABASE_SCHEMES) or value.endswith(DATABASE_SCHEMES):
            raise ValueError("must begin with postgresql:// or, with a file's path after it, sqlite:///")
        # Imported here: a command that is given no such address need not wait for it.
        from mcp_todo_server.database import check_url

        check_url(value)
        return value

    @field_validator("auth_jwks_url", "public_url")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// or http://")
        if value is not None and not _is_address(value):
            raise ValueError("must name a host, and a port only as a number")
        return value

    @model_validator(mode="after")
    def _discovery_knows_its_url(self) -> "Settings":
        if self.oauth_discovery == "on" and self.public_url is None:
            raise ValueError("PUBLIC_URL: must be set where OAUTH_DISCOVERY is on")
        if self.oauth_discovery == "on" and (self.auth_issuer is None or not _is_address(self.auth_issuer)):
            raise ValueError(
                "AUTH_ISSUER: must be the address of the authorization server where OAUTH_DISCOVERY is on: "
                "there is none in here to send clients to"
            )
        return self

    @property
    def host_names(self) -> tuple[str, ...]:
        """`allowed_hosts`, and beside each `name:*` the bare name: a `Host` header leaves a default port out."""
        bare = (host.removesuffix(":*") for host in self.allowed_hosts)
        return tuple(dict.fromkeys((*self.allowed_hosts, *bare)))

    @property
    def resource_url(self) -> str:
        """The MCP endpoint's URL as clients know it, which is the resource that their tokens are for.

        It is in its normal form (RFC 3986, section 6.2: small letters, no default port; a host in ASCII), in which
        the metadata is published and clients ask for tokens.

        Raises:
            SettingsError: `public_url` is not set.
        """
        return str(AnyHttpUrl(self._endpoint_url)).rstrip("/")

    @property
    def _endpoint_url(self) -> str:
        if self.public_url is None:
            raise SettingsError("PUBLIC_URL: must be set where OAUTH_DISCOVERY is on")
        base = self.public_url.rstrip("/")
        return base if urlsplit(base).path else f"{base}/mcp"

    @property
    def resource_audiences(self) -> tuple[str, ...]:
        """Audiences by which clients name this server in OAuth mode; none in header mode."""
        if self.oauth_discovery == "off" or self.public_url is None:
            return ()
        # As the operator writes it, too: an issuer may have been told of it in the same letters.
        return tuple(dict.fromkeys((self.public_url, self._endpoint_url, self.resource_url)))

    @property
    def signing_secret(self) -> str:
        """The secret that signs tokens.

        Raises:
            SettingsError: It is not set.
        """
        if self.better_auth_secret is None:
            raise SettingsError(
                "BETTER_AUTH_SECRET: must be set to at least 32 bytes, the same as chat-api's; "
                "make one with: openssl rand -base64 32"
            )
        return self.better_auth_secret.get_secret_value()

    @property
    def verifying_secrets(self) -> tuple[str, ...]:
        """The signing secret, then those being rotated out.

        Raises:
            SettingsError: There is no signing secret.
        """
        previous = tuple(secret.get_secret_value() for secret in self.better_auth_secret_previous)
        return (self.signing_secret, *previous)


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; `overrides` that are not None win over it.

    Raises:
        SettingsError: A value is wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(dict(detail)) for detail in error.errors())) from None


def _explain(detail: dict[str, Any]) -> str:
    # The message alone: the input beside it may be a secret.
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not detail["loc"]:
        return message
    return f"{str(detail['loc'][0]).upper()}: {message[0].lower()}{message[1:]}"


def _is_address(url: str) -> bool:
    try:
        AnyHttpUrl(url)  # which also reads the port
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False
