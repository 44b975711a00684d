"""``rollq.init``: what a script says first, as with ``qlib.init``; it finds, or starts, what the script works with.

rollq.init(provider_uri="prices.parquet", mongo={"task_url": "mongodb://127.0.0.1:27017/", "task_db_name": "rolling"})
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from rollq.local.attach import attach
from rollq.tasks.backend import Backend, share, shared_backend
from rollq.tasks.components.app_dir import add_app_dir
from rollq.tasks.components.registry import check_kwargs, did_you_mean, resolve
from rollq.tasks.config.settings import Settings, current_settings, load_settings
from rollq.tasks.config.sources import set_for_script
from rollq.tasks.definition import CLASS, KWARGS
from rollq.tasks.errors import BadInput, SettingsError
from rollq.tasks.logs import setup_logging
from rollq.tasks.rolling.calendar import TimeAdjuster, set_default_calendar
from rollq.tasks.runtime import find_running
from rollq.tasks.tracking.mlflow.store import local_tracking_uri
from rollq.tasks.tracking.workflow import R, ours
from rollq.workers.datasets.prices import read_prices

log = logging.getLogger(__name__)

MONGO = {"task_url": "mongo_uri", "task_db_name": "mongo_database"}
URI = "uri"
MANAGER = "MLflowExpManager"
# What qlib.init takes and rollq has no use for: how Qlib reads and caches its data, its own Redis and its own server.
_UNUSED = """
    auto_mount backend_freq_config calendar_cache calendar_provider clear_mem_cache custom_ops dataset_cache
    dataset_cache_dir_name dataset_provider deal_price default_conf default_disk_cache dump_protocol_version
    expression_cache expression_provider feature_provider features_cache_dir_name flask_port flask_server
    instrument_provider joblib_backend kernels limit_threshold local_cache_path logging_config maxtasksperchild
    mem_cache_expire mem_cache_limit_type mem_cache_size_limit min_data_shift mount_path pit_provider pit_record_nan
    pit_record_type provider redis_host redis_password redis_port redis_task_db timeout trade_unit
"""
WITHOUT_MEANING = frozenset(_UNUSED.split())
DAYS, COMING_DAYS = Path("calendars", "day.txt"), Path("calendars", "day_future.txt")  # of a folder of Qlib's

_servers = ExitStack()  # the embedded stack, if this process has started one


def init(
    provider_uri: str | Path | Mapping[str, str | Path] | None = None,
    region: str | None = None,
    *,
    mongo: Mapping[str, object] | None = None,
    exp_manager: Mapping[str, object] | None = None,
    skip_if_reg: bool = False,
    **settings: object,
) -> Backend:
    """Set this process up: its settings, ``R``, its calendar; start an embedded stack if there are no servers.

    It may be called again, and the later call counts. What an embedded stack of this process holds stays in the
    state folder.

    Args:
        provider_uri: where the calendar of this process comes from: a Parquet file of prices, or a folder in Qlib's
            form, which is that of Qlib's datasets, too. Datasets of rollq name their own files. One that does not exist
            is only logged.
        region: of a folder of Qlib's: its backtests need it.
        mongo: ``{"task_url": ..., "task_db_name": ...}``: the task store, and its database. Without a broker beside it
            no worker is notified, but this process can train by itself.
        exp_manager: as for ``Workflow.setup``; its ``uri`` is where workers of this process keep runs, too.
        skip_if_reg: do nothing if it was called before.
        settings: any setting of rollq by its name; ``logging_level`` of Qlib; other keywords of ``qlib.init`` are
            accepted and named in one line of the log.

    Returns:
        The servers, for everything that takes a ``backend``; what is given none finds the same ones.

    Raises:
        SettingsError: a keyword is unknown, a value is out of range, or only the broker is set.
        BadInput: the experiment manager is none, or has no such keyword.
        StateError: a recorder is active.
        DataError, CalendarError: ``provider_uri`` is a file that is no price table, or has no session.
        Unavailable: the servers do not answer, or none can be started.
    """
    shared = shared_backend()
    if skip_if_reg and shared:
        log.warning("rollq.init was called before: this call does nothing (skip_if_reg)")
        return shared
    calendar = _calendar(provider_uri)
    chosen, unused = _sorted(settings)
    chosen.update(_of_qlib(provider_uri, region))
    chosen.update(_of_mongo(mongo), **_of_manager(exp_manager))
    before = set_for_script(chosen)
    try:
        _check_manager(exp_manager)
        backend = _connected(chosen)
        _set_manager(exp_manager, backend)
    except BaseException:
        set_for_script(before)
        raise
    finally:
        current_settings.cache_clear()
    _say_unused(unused)
    set_default_calendar(calendar)
    if shared and shared.settings == backend.settings:
        backend.store.close()
        return shared
    if shared:
        shared.store.close_when_dropped()  # the script may hold the one of before
    share(backend)
    return backend


def _connected(chosen: dict[str, object]) -> Backend:
    """The servers that are set, or that run; else a stack is started, which ends with this process."""
    found = load_settings()
    if not logging.getLogger().handlers:  # the script has not set up a log of its own
        setup_logging(found.log_level, found.log_format)
    add_app_dir(found.app_dir)
    if found.redis_url and not found.mongo_uri:
        raise SettingsError("Only the broker is set.", "Give mongo={'task_url': ...}, too, or neither.")
    if found.mongo_uri and not found.mlflow_uri:
        set_for_script({**chosen, "mlflow_uri": local_tracking_uri(found.state_dir)})
        found = load_settings()
    if found.mongo_uri and not found.redis_url:
        log.info("no broker is set: this process trains by itself; sweeps tell workers of its tasks")
    if not found.mongo_uri and not find_running(found.state_dir):
        _start_stack(found)
    return Backend.connect(found)  # given, so that it is not the one that is shared now


def _check_manager(exp_manager: Mapping[str, object] | None) -> None:
    """Look at the names in rollq's own configuration of a manager before servers are started.

    Raises:
        ComponentError: one is unknown.
    """
    if exp_manager is not None and exp_manager.get(CLASS) == MANAGER:
        cls = resolve(ours(exp_manager), "exp_manager")
        check_kwargs(cls, {URI: "", **_kwargs(exp_manager)}, f"exp_manager.{KWARGS}")


def _set_manager(exp_manager: Mapping[str, object] | None, backend: Backend) -> None:
    try:
        R.setup(_manager(exp_manager, backend.settings))
    except BaseException:
        backend.store.close()
        raise


def _start_stack(settings: Settings) -> None:
    _stop_stack(os.getpid())  # of another state folder, for another call
    _servers.enter_context(attach(settings, serve=True))
    runtime = find_running(settings.state_dir)
    if runtime and runtime.pid == os.getpid():  # else it is one that another process was just starting
        log.info("no servers are set: an embedded stack runs in %s until this process ends", settings.state_dir)
    atexit.register(_stop_stack, os.getpid())


def _stop_stack(owner: int) -> None:
    if os.getpid() == owner:  # a forked child has inherited this function, but not the stack
        _servers.close()


def _sorted(given: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """Settings of rollq, and the names of what has no meaning here.

    Raises:
        SettingsError: a keyword is neither.
    """
    chosen: dict[str, object] = {}
    for name, value in given.items():
        if name == "logging_level":
            chosen["log_level"] = logging.getLevelName(value) if isinstance(value, int) else value
        elif name in Settings.model_fields:
            chosen[name] = value
        elif name not in WITHOUT_MEANING:
            known = {*Settings.model_fields, *WITHOUT_MEANING, "provider_uri", "region", "mongo", "exp_manager"}
            raise SettingsError(f"rollq.init has no keyword {name!r}.", did_you_mean(name, known))
    return {name: value for name, value in chosen.items() if value is not None}, sorted(given.keys() & WITHOUT_MEANING)


def _of_mongo(mongo: Mapping[str, object] | None) -> dict[str, object]:
    if mongo is not None and not isinstance(mongo, Mapping):
        raise SettingsError(f"mongo is a mapping, not {mongo!r}.", f"Give {dict.fromkeys(MONGO, '...')}.")
    for name in mongo or {}:
        if name not in MONGO:
            raise SettingsError(f"mongo has no key {name!r}.", did_you_mean(str(name), MONGO))
    return {MONGO[name]: value for name, value in (mongo or {}).items() if value is not None}


def _of_manager(exp_manager: Mapping[str, object] | None) -> dict[str, object]:
    """The tracking URI that an experiment manager names: it is a setting, so that workers keep runs there, too."""
    kwargs = _kwargs(exp_manager)
    return {"mlflow_uri": str(kwargs[URI])} if kwargs.get(URI) else {}


def _kwargs(exp_manager: object) -> Mapping[str, object]:
    kwargs = {} if exp_manager is None else exp_manager.get(KWARGS) or {} if isinstance(exp_manager, Mapping) else None
    if not isinstance(kwargs, Mapping):
        raise BadInput("exp_manager is a mapping.", f"Give {{'class': '{MANAGER}', 'kwargs': {{'uri': ...}}}}.")
    return kwargs


def _manager(exp_manager: Mapping[str, object] | None, settings: Settings) -> Mapping[str, object]:
    """The configuration of an experiment manager whose URI is that of the settings."""
    config = exp_manager or {CLASS: MANAGER}
    kwargs = {**_kwargs(exp_manager), URI: settings.mlflow_uri}
    if config.get(CLASS) == MANAGER:
        kwargs = {**settings.artifact_options, **kwargs}
    return {**config, KWARGS: kwargs}


def _say_unused(names: list[str]) -> None:
    if names:
        log.info("rollq.init: without meaning here: %s", ", ".join(names))


def _calendar(provider_uri: str | Path | Mapping[str, str | Path] | None) -> TimeAdjuster | None:
    """The calendar of prices, or of a folder of Qlib's; None if there is neither.

    Raises:
        DataError: the file is no price table.
        CalendarError: the folder's calendar has no session.
    """
    path = _place(provider_uri)
    if path is None:
        return None
    if path.is_file():
        return TimeAdjuster(pd.DatetimeIndex(read_prices(path)["datetime"].unique()).sort_values())
    if (path / DAYS).is_file():
        return TimeAdjuster(_days(path / DAYS), _days(path / COMING_DAYS))
    log.warning("provider_uri: %s holds no calendar: pass calendar= where one is needed", path)
    return None


def _place(provider_uri: str | Path | Mapping[str, str | Path] | None) -> Path | None:
    if isinstance(provider_uri, Mapping):  # one folder for each frequency
        provider_uri = provider_uri.get("day", next(iter(provider_uri.values()), None))
    return None if provider_uri is None else Path(provider_uri).expanduser()


def _of_qlib(provider_uri: str | Path | Mapping[str, str | Path] | None, region: str | None) -> dict[str, object]:
    """The settings of Qlib's own datasets, if this is a folder of theirs."""
    path = _place(provider_uri)
    if path is None or not (path / DAYS).is_file():
        return {}
    return {"qlib_provider_uri": str(path.absolute()), **({"qlib_region": region} if region else {})}


def _days(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.is_file() else []
