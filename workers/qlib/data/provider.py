"""Qlib in this process: one data folder at a time, because Qlib keeps it in global variables."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rollq.tasks.config.settings import expanded
from rollq.tasks.definition import PROVIDER, QLIB_INIT
from rollq.tasks.errors import ComponentError, DataError, StateError
from rollq.workers.qlib.quiet import quietly

KEY, URI, REGION = QLIB_INIT, PROVIDER, "region"
REGIONS = ("cn", "us", "tw")
KNOWN = frozenset({URI, REGION, "trade_unit", "limit_threshold", "deal_price", "min_data_shift"})


def check_init(options: object, key: str = KEY) -> dict[str, object]:
    """What of ``qlib_init`` counts here: the data folder, the region, and what a backtest takes from it.

    Raises:
        ComponentError: it is no mapping, a key is not known, or the folder is none of daily data.
    """
    if not isinstance(options, Mapping) or not isinstance(options.get(URI), str):
        raise ComponentError("it names no data folder.", "Write provider_uri: FOLDER under it.", key)
    for name in options:
        if name not in KNOWN:
            fix = f"Leave it out. Known: {', '.join(sorted(KNOWN))}."
            raise ComponentError(f"{name!r} is not used by rollq.", fix, f"{key}.{name}")
    region = options.get(REGION, "cn")
    if region not in REGIONS:
        raise ComponentError(f"{region!r} is no region.", f"Use one of {', '.join(REGIONS)}.", f"{key}.{REGION}")
    return {**options, REGION: region}


def ready(options: Mapping[str, object]) -> Path:
    """Let this process's Qlib read the data folder of ``options``, which is returned, with its calendar of now.

    Args:
        options: as ``check_init`` returns them.

    Raises:
        DataError: there is no such folder, or no calendar in it.
        StateError: an experiment of Qlib's own runs in this process.
    """
    global _ready
    folder = check_folder(options)
    listed = [folder / "calendars" / "day.txt", *sorted((folder / "instruments").glob("*.txt"))]
    stats = [
        (path.name, found.st_size, found.st_mtime_ns, found.st_ctime_ns) for path in listed for found in [path.stat()]
    ]
    # Qlib remembers calendar and instruments for as long as its process lives.
    wanted = hashlib.sha256(repr((os.getpid(), sorted(options.items(), key=str), stats)).encode()).hexdigest()
    if wanted == _ready:
        return folder
    with quietly():
        import qlib
        from qlib.utils.exceptions import QlibException

        hook = sys.excepthook
        try:
            qlib.init(**{**options, URI: str(folder)}, kernels=1, expression_cache=None, dataset_cache=None)
        except QlibException as error:
            raise StateError(f"Qlib cannot be set up: {error}", "End the experiment of Qlib's own first.") from error
        finally:
            # Qlib would end its own runs when an error ends this process; there are none.
            sys.excepthook = hook
    _ready = wanted
    return folder


_ready = ""  # what this process's Qlib was set up for


def check_folder(options: Mapping[str, object]) -> Path:
    """The data folder.

    Raises:
        DataError: it is not there, or is not in Qlib's form.
    """
    folder = expanded(Path(str(options[URI])))
    if not folder.is_dir():
        raise DataError(
            f"{KEY}.{URI}: there is no folder {folder}.",
            "Download Qlib's data into it, or name the folder that holds yours.",
        )
    for part in (Path("calendars", "day.txt"), Path("instruments"), Path("features")):
        if not (folder / part).exists():
            raise DataError(
                f"{KEY}.{URI}: {folder} has no {part}, so it is no data folder of Qlib with daily data.",
                "A data folder holds calendars/day.txt, instruments/ and features/.",
            )
    return folder
