"""Settings: defaults < ``rollq.toml`` < environment (``ROLLQ_...``) < command line."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from tasks.errors import SettingsError

CONFIG_FILE = "rollq.toml"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Settings(BaseSettings):
    """Everything that can be configured. Durations are in seconds.

    Raises:
        SettingsError: through ``load_settings`` only; the bare class raises pydantic's ``ValidationError``.
    """

    model_config = SettingsConfigDict(
        env_prefix="ROLLQ_",
        toml_file=CONFIG_FILE,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
    )

    # Where things are. Empty URLs mean: the embedded stack in ``state_dir``.
    state_dir: Path = Field(Path(".rollq"), description="Folder of the embedded stack: data, caches, logs")
    mongo_uri: str = Field("", description="mongodb:// URI of the task store")
    mongo_database: str = Field("rollq", min_length=1, description="Database of the task store")
    redis_url: str = Field("", description="redis:// URL of the broker")
    mlflow_uri: str = Field(
        "",
        description="MLflow tracking URI",
        validation_alias=AliasChoices("ROLLQ_MLFLOW_URI", "MLFLOW_TRACKING_URI", "mlflow_uri"),
    )
    allow_insecure: bool = Field(False, description="Accept a remote Redis or MongoDB without authentication")

    # How tasks are held, tried and given up.
    lease_seconds: float = Field(30.0, gt=0, description="A claim is lost when it is not renewed for this long")
    sweep_seconds: float = Field(2.0, gt=0, description="Time between two sweeps of a worker or of beat")
    max_attempts: int = Field(3, ge=1, description="Attempts of a task before it is FAILED")
    max_worker_losses: int = Field(3, ge=1, description="Lost workers before a task is QUARANTINED")
    backoff_seconds: float = Field(2.0, ge=0, description="Base of the exponential backoff between attempts")
    backoff_max_seconds: float = Field(300.0, ge=0, description="Longest backoff between two attempts")
    max_outstanding: int = Field(64, ge=1, description="Messages per pool in Redis at most")
    watchdog_seconds: float = Field(
        60.0, ge=0, description="A worker that hears nothing for this long while messages wait restarts; 0: never"
    )
    routine_retry_seconds: float = Field(
        300.0,
        gt=0,
        description="Beat rings so often for a routine that is due, until its session is there",
    )
    drain_seconds: float = Field(60.0, ge=0, description="On SIGTERM a worker finishes for this long, then releases")

    # How workers run.
    concurrency: int = Field(0, ge=0, description="Processes of a worker; 0: one per core")
    queues: tuple[str, ...] = Field(("default",), description="Queues of tasks that a worker serves")
    cpu: float = Field(0.0, ge=0, description="Processors that each process offers; 0: the cores, shared evenly")
    gpu: float = Field(0.0, ge=0, description="GPUs that each process offers")
    mem_gb: float = Field(0.0, ge=0, description="Memory that each process offers; 0: the machine's, shared evenly")

    # What may be loaded and how the process speaks.
    components: tuple[str, ...] = Field((), description="Extra classes that templates may name, as 'module:Class'")
    pickle_classes: tuple[str, ...] = Field((), description="Classes that a pickled artifact may hold: 'module:Class'")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["human", "json"] = "human"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence, strongest first; ``.env`` files and secret folders are not read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**overrides: Any) -> Settings:
    """Settings of this process, with ``overrides`` (the command line) on top; ``None`` means not given.

    Raises:
        SettingsError: a key is unknown or a value is out of range, or a remote server has no authentication.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        fix = f"Look at {CONFIG_FILE}, ROLLQ_{name.upper()} or the option; docs/reference/settings.md lists all."
        raise SettingsError(f"Setting {name!r}: {first['msg']}.", fix) from None
    except ValueError as error:  # a TOML file that cannot be parsed
        raise SettingsError(
            f"{CONFIG_FILE} cannot be read: {error}.", "Mend the file; it must be valid TOML."
        ) from None
    _refuse_open_servers(settings)
    return settings


@cache
def current_settings() -> Settings:
    """The settings of a worker process, read once from its environment and ``rollq.toml``."""
    return load_settings()


def worker_environment(settings: Settings) -> dict[str, str]:
    """``settings`` as environment variables, for a child process that calls ``current_settings``."""
    values: dict[str, str] = {}
    for name, value in settings.model_dump(mode="json").items():
        if isinstance(value, list):
            values[f"ROLLQ_{name.upper()}"] = "[" + ",".join(f'"{item}"' for item in value) + "]"
        else:
            values[f"ROLLQ_{name.upper()}"] = str(value)
    return {**os.environ, **values}


def _refuse_open_servers(settings: Settings) -> None:
    if settings.allow_insecure:
        return
    for name, url in (("mongo_uri", settings.mongo_uri), ("redis_url", settings.redis_url)):
        parts = urlsplit(url)
        hosts = {host.rsplit("@", 1)[-1].rsplit(":", 1)[0].strip("[]") for host in parts.netloc.split(",")}
        if url and not hosts <= LOOPBACK and "@" not in parts.netloc:
            raise SettingsError(
                f"Setting {name!r} names a server on another machine without a password.",
                "Put user:password@ into the URL, or set ROLLQ_ALLOW_INSECURE=true for a network that you trust.",
            )
