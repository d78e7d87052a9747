"""Settings, read from environment variables of the same names in capitals. An empty variable counts as unset."""

import ipaddress
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from todo_chat_shared.tokens import check_secret

CommaSeparated = Annotated[tuple[str, ...], NoDecode]

COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A token as HTTP has it (RFC 9110, section 5.6.2), which a cookie's name is (RFC 6265, section 4.1.1)."""
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
"""An origin as browsers send it (RFC 6454, section 6.2); a name beyond ASCII is sent as `xn--…`."""
DATABASE_SCHEMES = ("postgresql://", "sqlite:///")


class SettingsError(Exception):
    """A variable has a wrong value or is missing. The text names the variable and never holds a secret."""


class Settings(BaseSettings):
    """What an operator can set. Durations are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    better_auth_secret: SecretStr | None = None
    """HS256 secret shared with the front end; it also signs what is sent to the todo server."""
    better_auth_secret_previous: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Secrets being rotated out: they verify and never sign."""
    auth_jwks_url: str | None = None
    """Where an issuer publishes its keys; unset, only the shared secrets verify."""
    auth_issuer: str | None = None
    """`iss` that users' tokens must carry; unset, any."""
    auth_audience: str | None = None
    """`aud` that users' tokens must name; unset, tokens that name an audience are refused."""
    database_url: str = "sqlite:///data/chat.db"
    database_pool_size: int = Field(default=10, ge=1)
    mcp_server_url: str = "http://127.0.0.1:8001/mcp"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    allowed_hosts: CommaSeparated = ("127.0.0.1:*", "localhost:*", "[::1]:*")
    """`Host` headers answered; `:*` stands for any port, a lone `*` for any host."""
    cors_origins: CommaSeparated = ()
    """Browser origins that may call the API."""
    token_cookie: str | None = None
    """Cookie in which the front end keeps the user's token, for the page; unset, the page reads none."""
    openai_api_key: SecretStr | None = None
    openai_model: str | None = None
    """Model's name; unset, the Agents SDK's default model."""
    openai_base_url: str | None = None
    openai_api: Literal["responses", "chat_completions"] = "responses"
    model_provider: Literal["openai", "offline"] = "offline"
    """Unset, `openai` where a key or a base URL is set, else the built-in offline model."""
    demo_mode: bool = False
    max_message_chars: int = Field(default=8000, ge=1)
    max_body_bytes: int = Field(default=1024 * 1024, ge=1)
    history_token_budget: int = Field(default=16_000, ge=0)
    """Tokens of history that a model is sent with a message; a token is estimated as 4 characters of JSON."""
    max_tool_rounds: int = Field(default=10, ge=1)
    """Model responses that one run may take."""
    model_timeout_seconds: float = Field(default=60, ge=1, allow_inf_nan=False)
    tool_timeout_seconds: float = Field(default=15, ge=1, allow_inf_nan=False)
    run_lease_seconds: float = Field(default=15, ge=1, allow_inf_nan=False)
    """Time after which a run whose process gave no sign of life counts as lost."""

    runs_per_minute: int = Field(default=60, ge=1)
    """Messages that a user may send in a minute; a retry counts as one."""
    tokens_per_day: int | None = Field(default=None, ge=1)
    """Input and output tokens that a user's runs may use in a day, UTC; unset, any number."""
    tool_approval: Literal["never", "destructive", "always"] = "never"
    """Which tool calls wait until the user has allowed them."""
    approval_expires_seconds: float = Field(default=86_400, ge=1, allow_inf_nan=False)
    """Time after which a call that nobody decided on counts as denied."""

    @model_validator(mode="before")
    @classmethod
    def _choose_provider(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("model_provider"):
            online = values.get("openai_api_key") or values.get("openai_base_url")
            return {**values, "model_provider": "openai" if online else "offline"}
        return values

    @field_validator("better_auth_secret_previous", "allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in (part.strip() for part in value.split(",")) if part)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin: write https://app.example.com, in small letters, without a path"
                )
        return origins

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
        if value.startswith("sqlite") and ":memory:" in value:
            raise ValueError("must name a file: a database in memory is gone between two connections")
        _check_port(value)
        return value

    @field_validator("token_cookie")
    @classmethod
    def _is_cookie_name(cls, value: str | None) -> str | None:
        if value is not None and not COOKIE_NAME.fullmatch(value):
            raise ValueError("must be the name of a cookie: letters, digits and - _ . ! # $ % & ' * + ^ ` | ~ alone")
        return value

    @field_validator("auth_jwks_url", "mcp_server_url", "openai_base_url")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith(("http://", "https://")) or not urlsplit(value).hostname):
            raise ValueError("must begin with https:// or http:// and name a host")
        if value is not None:
            _check_port(value)
        return value

    @model_validator(mode="after")
    def _demo_stays_at_home(self) -> "Settings":
        if self.demo_mode and not _is_loopback(self.host):
            raise ValueError("DEMO_MODE: hands out tokens, so HOST must be a loopback address such as 127.0.0.1")
        return self

    @model_validator(mode="after")
    def _openai_can_be_asked(self) -> "Settings":
        if self.model_provider == "openai" and self.openai_api_key is None and self.openai_base_url is None:
            raise ValueError("OPENAI_API_KEY: must be set where MODEL_PROVIDER is openai (or set OPENAI_BASE_URL)")
        return self

    @property
    def signing_secret(self) -> str:
        """The secret that signs tokens.

        Raises:
            SettingsError: It is not set.
        """
        if self.better_auth_secret is None:
            raise SettingsError(
                "BETTER_AUTH_SECRET: must be set to at least 32 bytes, the same as the front end's and "
                "mcp-todo-server's; make one with: openssl rand -base64 32"
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


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError("is not an address: its port must be a number up to 65535") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
