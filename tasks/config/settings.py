"""Settings: defaults < ``rollq.toml`` < environment (``ROLLQ_...``) < ``rollq.init`` < command line."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypedDict, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rollq.tasks.config.server_urls import SCHEMES, check_server, plain_broker_url
from rollq.tasks.config.sources import PREFIX, Given, gather
from rollq.tasks.config.tracking_uri import usable_uri
from rollq.tasks.errors import SettingsError

LONGEST = 1e8  # three years of seconds; Python's clocks end somewhere beyond


def expanded(path: Path) -> Path:
    """A path in which ``~`` is the home, as a shell would have it, even where no shell looked at it.

    Raises:
        ValueError: there is no such user, or no home.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from None


class ArtifactOptions(TypedDict):
    """What may be loaded from a run: keywords of experiments and recorders."""

    components: tuple[str, ...]
    pickle_classes: tuple[str, ...]


class Settings(BaseModel):
    """Everything that can be configured. Durations are in seconds. ``load_settings`` reads what was given.

    Raises:
        SettingsError: through ``load_settings`` only; the bare class raises pydantic's ``ValidationError``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # Where things are. Empty URLs mean: the embedded stack in ``state_dir``.
    state_dir: Annotated[Path, AfterValidator(expanded)] = Field(
        Path(".rollq"), description="Folder of the embedded stack: data, caches, logs"
    )
    mongo_uri: str = Field("", description="mongodb:// URI of the task store")
    mongo_database: str = Field("rollq", min_length=1, description="Database of the task store")
    redis_url: Annotated[str, AfterValidator(plain_broker_url)] = Field(
        "", description="redis://, rediss:// or unix:// URL of the broker"
    )
    mlflow_uri: Annotated[str, AfterValidator(usable_uri)] = Field("", description="MLflow tracking URI")
    allow_insecure: bool = Field(False, description="Accept a remote Redis or MongoDB without authentication")

    # How tasks are held, tried and given up.
    # A worker's own dead processes are noticed at once; the lease is for hosts that vanish, and long enough for one
    # that swaps or is stopped for a moment.
    lease_seconds: float = Field(
        30.0, gt=0, le=LONGEST, description="A claim is lost when it is not renewed for this long"
    )
    sweep_seconds: float = Field(2.0, gt=0, le=LONGEST, description="Time between two sweeps of a worker or of beat")
    max_attempts: int = Field(3, ge=1, description="Attempts of a task before it is FAILED")
    max_worker_losses: int = Field(3, ge=1, description="Lost workers before a task is QUARANTINED")
    backoff_seconds: float = Field(
        2.0, ge=0, le=LONGEST, description="Base of the exponential backoff between attempts"
    )
    backoff_max_seconds: float = Field(300.0, ge=0, le=LONGEST, description="Longest backoff between two attempts")
    # A task that becomes urgent overtakes all but these.
    max_outstanding: int = Field(64, ge=1, description="Messages per pool in Redis at most")
    watchdog_seconds: float = Field(
        60.0,
        ge=0,
        le=LONGEST,
        description="A worker that receives nothing for this long while messages wait restarts; 0: never",
    )
    routine_retry_seconds: float = Field(
        300.0,
        gt=0,
        le=LONGEST,
        description="Beat notifies so often of a routine that is due, until its session is there",
    )
    drain_seconds: float = Field(
        60.0, ge=0, le=LONGEST, description="On SIGTERM a worker finishes for this long, then releases"
    )

    # How workers run.
    concurrency: int = Field(0, ge=0, description="Processes of a worker; 0: one per core")
    queues: tuple[str, ...] = Field(("default",), description="Queues of tasks that a worker serves")
    cpu: float = Field(0.0, ge=0, description="Processors that each process has available; 0: the cores, shared evenly")
    gpu: float = Field(0.0, ge=0, description="GPUs that each process has available")
    mem_gb: float = Field(
        0.0, ge=0, description="Memory that each process has available; 0: the machine's, shared evenly"
    )

    # What may be loaded and how the process speaks.
    components: tuple[str, ...] = Field((), description="Extra classes that templates may name, as 'module:Class'")
    app_dir: Annotated[Path, AfterValidator(expanded)] = Field(
        Path(), description="Folder of your own modules, which components may name"
    )
    estimator_packages: tuple[str, ...] = Field(
        ("sklearn",), description="Packages whose estimators of scikit-learn's kind templates may name"
    )
    pickle_classes: tuple[str, ...] = Field((), description="Classes that a pickled artifact may hold: 'module:Class'")
    qlib_provider_uri: str = Field("", description="Data folder of Qlib's, for tasks that do not name theirs")
    qlib_region: Literal["cn", "us", "tw"] = Field("cn", description="Region of that folder")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["human", "json"] = "human"

    @property
    def artifact_options(self) -> ArtifactOptions:
        """What experiments and recorders are made with."""
        return {"components": self.components, "pickle_classes": self.pickle_classes}


def load_settings(**overrides: object) -> Settings:
    """Settings of this process, with ``overrides`` (the command line) on top; ``None`` means not given.

    Raises:
        SettingsError: a key is unknown or a value is out of range, or a remote server has no authentication; it says
            where that was given.
    """
    lists = {name: get_origin(field.annotation) is tuple for name, field in Settings.model_fields.items()}
    # pydantic sees plain values; where each came from is kept beside them, so that an error can name the place.
    given = gather(lists, overrides)
    try:
        settings = Settings.model_validate({name: one.value for name, one in given.items()})
    except ValidationError as error:
        raise _refusal(error, given) from None
    for name in SCHEMES:
        if url := getattr(settings, name):
            check_server(name, url, given[name].place, settings.allow_insecure)
    return settings


@cache
def current_settings() -> Settings:
    """The settings of a worker process, read once from its environment and ``rollq.toml``."""
    return load_settings()


def worker_environment(settings: Settings) -> dict[str, str]:
    """``settings`` as environment variables, for a child process that calls ``current_settings``."""
    values: dict[str, str] = {}
    for name, value in settings.model_dump(mode="json").items():
        values[PREFIX + name.upper()] = json.dumps(value) if isinstance(value, list) else str(value)
    return {**os.environ, **values}


def _refusal(error: ValidationError, given: dict[str, Given]) -> SettingsError:
    first = error.errors()[0]
    name = str(first["loc"][0])
    reason = first["msg"].removeprefix("Value error, ")
    return SettingsError(
        f"Setting {name!r} ({given[name].place}): {reason}; it is {first['input']!r}.",
        "Correct it there; docs/reference/settings.md lists all settings.",
    )
