"""Every setting of Ops Center, read from `OPS_*` in the environment and checked at start.

Unset means "not configured", and the panel that needs it says so. Set but wrong stops the start with one line that
names the setting. A secret may be given as `OPS_NAME` or as the path of a file in `OPS_NAME_FILE`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from platformdirs import user_data_path
from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError


class SettingsError(Exception):
    """A setting is set but wrong. The text is one line, fit to show, and never holds a secret's value."""


_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)?\s*$", re.IGNORECASE)
_STEP = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_size(text: str) -> int:
    """Read a size such as `400MB` (decimal: 1 MB = 1,000,000 B).

    Args:
        text: A number with an optional unit B, KB, MB, GB or TB.

    Returns:
        The size in bytes.

    Raises:
        ValueError: The text is not a size.
    """
    match = _SIZE.match(text)
    if not match:
        raise ValueError("is not a size such as 400MB")
    return int(float(match[1]) * _STEP[(match[2] or "B").upper()])


_LEAST_MEMORY = "100MB"  # below some 64 MB the store runs out of memory on its first figures
_STRIPE_KEY = re.compile(r"(sk|rk)_(test|live)_\w+")
_USER_INFO = re.compile(r"^(https?://)?.*@", re.DOTALL | re.IGNORECASE)  # a password may hold any sign, even an @


def http_address(value: str) -> str:
    """An address that can be asked, without a slash at its end.

    Raises:
        ValueError: It is none, or carries a password. The text repeats nothing of it.
    """
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        usable = usable and not any(sign.isspace() or not sign.isprintable() for sign in value)
    except ValueError:  # its own words may quote the password
        usable = False
    if not usable:
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("must not carry a user or password; use the key's own setting")
    return value.rstrip("/")


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is not an IANA time zone such as Europe/Berlin")
    return value


Url = Annotated[str, AfterValidator(http_address)]
Zone = Annotated[str, AfterValidator(_zone)]


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `OPS_NAME_FILE` for every secret, for container secrets and the like."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if "SecretStr" not in str(field.annotation):
            return None, field_name, False
        variable = f"OPS_{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise SettingsError(f"{variable}: cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{variable}: {path} is not UTF-8 text") from None

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """The settings, one attribute for each `OPS_*` name; the README's table is compared with this class."""

    model_config = SettingsConfigDict(env_prefix="OPS_", env_ignore_empty=True, frozen=True, extra="ignore")

    # Serving
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8050, ge=1, le=65535, description="Port to listen on.")
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("ops-center"),
        description="Folder of the usage store, the state and the generated keys.",
    )
    public_url: Url | None = Field(
        None,
        description="Address that users type, such as `https://ops.example.com`. Needed for access from elsewhere.",
    )
    trusted_proxies: int = Field(
        0, ge=0, le=8, description="How many reverse proxies stand in front and set `X-Forwarded-*`."
    )
    reporting_tz: Zone | None = Field(
        None, description="IANA zone of reports. Unset: the browser's zone on pages, UTC in the API."
    )

    # Who may do what
    secret_key: SecretStr | None = Field(
        None, min_length=32, description="Signs sessions and sign-in links. Unset: made once, kept in the data folder."
    )
    login_token: SecretStr | None = Field(
        None, min_length=16, description="A fixed, reusable admin sign-in token, beside the one-time links."
    )
    ingest_token: SecretStr | None = Field(
        None, min_length=16, description="Bearer key for sending usage. Unset: made once, shown to admins."
    )
    read_token: SecretStr | None = Field(
        None, min_length=16, description="Bearer key for reading usage and system figures. Unset: no such key."
    )

    # Usage
    usage_api_url: Url | None = Field(
        None,
        description="A remote LLM usage API to read instead of the embedded store; "
        "without a path, `/api/v1/llm/usage` is added. Events sent to this console, and the commands about its store, "
        "still are of its own store, which no page shows then.",
    )
    usage_api_token: SecretStr | None = Field(None, description="Bearer key for the remote usage API.")
    usage_memory: str = Field("400MB", description="Memory limit of the usage store, at least 100MB.")
    min_free: str = Field(
        "200MB",
        description="Below this much free disk the store stops accepting events, and no history of the machine is "
        "written.",
    )
    max_ingest_mb: int = Field(64, ge=1, le=1024, description="Largest accepted request body, in MB.")
    prices_file: Path | None = Field(
        None, description="Your own prices, a TOML file that stands above the bundled price table."
    )
    usage_keep_days: int | None = Field(
        None, ge=1, le=36500, description="For how many days single calls are kept; their sums stay. Unset: for ever."
    )
    quota_calls_per_month: int | None = Field(None, ge=1, description="Monthly quota of calls, for the quota figure.")

    # Subscription
    lago_url: Url | None = Field(None, description="Address of Lago's API, such as `https://api.getlago.com`.")
    lago_api_key: SecretStr | None = Field(None, description="Lago API key.")
    lago_hmac_key: SecretStr | None = Field(
        None, description="HMAC key of Lago's webhooks; not needed where Lago signs them as JWT, its default."
    )
    lago_customer: str | None = Field(
        None, max_length=255, description="Lago external id of the only customer of a single-company install."
    )
    billing_plans: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None, description="Plan codes to offer, in order, separated by commas. Unset: all but hidden ones."
    )
    billing_collector: Literal["lago", "stripe"] = Field(
        "lago", description="Who collects the money: `lago` (through its own Stripe connection) or `stripe`."
    )
    sales_email: str | None = Field(
        None, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="Where contact-sales plans send their mail."
    )
    stripe_api_key: SecretStr | None = Field(None, description="Stripe secret or restricted key.")
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="Signing secret (`whsec_…`) of Stripe's webhook to `/api/v1/webhooks/stripe`."
    )
    stripe_api_base: Url | None = Field(None, description="Another Stripe API address, for tests and sandboxes.")
    sandbox_url: Url | None = Field(
        None, description="Control page of a sandbox; a banner on every page then says so. Set by `make sandbox`."
    )

    # System
    prometheus_url: Url | None = Field(
        None,
        description="A Prometheus (or VictoriaMetrics) that watches more hosts with node_exporter, such as "
        "`http://prometheus:9090`.",
    )
    prometheus_token: SecretStr | None = Field(
        None, description="Bearer key for it; `user:password` is sent as basic authentication."
    )

    # State
    state_url: SecretStr | None = Field(
        None, description="SQLAlchemy address of the state database. Unset: an SQLite file in the data folder."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over secret files."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @field_validator("host")
    @classmethod
    def _bare_host(cls, value: str) -> str:
        if re.search(r"[\s/@]", value):
            raise ValueError("must be a name or address alone, such as 127.0.0.1")
        return value

    @field_validator("public_url")
    @classmethod
    def _no_path(cls, value: str | None) -> str | None:
        if value is not None and re.search(r"[/?#]", value.partition("://")[2]):
            raise ValueError("must have no path: give the console a host name of its own")
        return value

    @field_validator("billing_plans", mode="before")
    @classmethod
    def _codes(cls, value: object) -> object:
        return tuple(code.strip() for code in value.split(",") if code.strip()) if isinstance(value, str) else value

    @field_validator("ingest_token", "read_token", "usage_api_token", "lago_api_key", "prometheus_token")
    @classmethod
    def _sent_in_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            text = value.get_secret_value()
            if not (text.isascii() and text.isprintable()):
                raise ValueError("has a character that no request can carry, such as a curly quote pasted along")
        return value

    @field_validator("state_url")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                make_url(value.get_secret_value()).get_dialect().import_dbapi()
            except ImportError as error:
                raise ValueError(f"its driver is not installed ({error.name})") from None
            except (ArgumentError, NoSuchModuleError):
                raise ValueError("is not a database address such as sqlite:////var/lib/ops.db") from None
        return value

    @field_validator("stripe_api_key")
    @classmethod
    def _stripe_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _STRIPE_KEY.fullmatch(value.get_secret_value()):
            raise ValueError("must be a secret or restricted key: sk_test_…, sk_live_…, rk_test_… or rk_live_…")
        return value

    @field_validator("min_free")
    @classmethod
    def _size(cls, value: str) -> str:
        parse_size(value)
        return value

    @field_validator("usage_memory")
    @classmethod
    def _memory(cls, value: str) -> str:
        if parse_size(value) < parse_size(_LEAST_MEMORY):
            raise ValueError(f"must be at least {_LEAST_MEMORY}")
        return value

    @property
    def usage_memory_bytes(self) -> int:
        """Memory limit of the usage store, in bytes."""
        return parse_size(self.usage_memory)

    @property
    def min_free_bytes(self) -> int:
        """Free disk below which the store stops accepting, in bytes."""
        return parse_size(self.min_free)

    @property
    def base_url(self) -> str:
        """The address users type, without a trailing slash."""
        return self.public_url or self.listens_at

    @property
    def listens_at(self) -> str:
        """The server's address for programs of this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def load(**given: Any) -> Settings:
    """Read and check all settings.

    Args:
        **given: Settings by attribute name that win over the environment (`port=0` is for tests only).

    Returns:
        The settings.

    Raises:
        SettingsError: One is set but wrong; the text names it, and says why without its value if it is a secret.
    """
    unknown = sorted(name for name in os.environ if name.startswith("OPS_") and not _known(name))
    if unknown:
        raise SettingsError(f"{unknown[0]} is not a setting of Ops Center. See the README's table of settings")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "OPS_" + str(first["loc"][0]).upper() if first["loc"] else "settings"
        secret = "SecretStr" in str(Settings.model_fields.get(str(first["loc"][0]).lower(), ""))
        said = _words(first["type"], first["msg"], first.get("ctx", {}))
        value = repr(_USER_INFO.sub(r"\1…@", str(first["input"])))
        shown = "" if secret else f" (it is {value})"
        raise SettingsError(f"{name}: {said}{shown}") from None


def _words(kind: str, text: str, context: Mapping[str, Any]) -> str:
    """The library's words where they are plain, ours where they are not."""
    if kind in ("too_short", "string_too_short"):
        return f"must have at least {context['min_length']} characters"
    if kind == "int_parsing":
        return "must be a whole number"
    return text.removeprefix("Value error, ")


def _known(variable: str) -> bool:
    name = variable.removeprefix("OPS_").lower()
    if name in Settings.model_fields:
        return True
    base = name.removesuffix("_file")
    return base != name and base in Settings.model_fields and "SecretStr" in str(Settings.model_fields[base].annotation)
