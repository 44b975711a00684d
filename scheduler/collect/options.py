"""The arguments of ``RecorderCollector``, for those who pass them on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Literal, TypedDict

from rollq.scheduler.collect.collectors import Processes
from rollq.tasks.tracking.runs.recorder import Recorder

Loader = Callable[[Recorder, str], object]
Recorders = Callable[[], Iterable[Recorder] | Mapping[str, Recorder]]
KeyFunc = Callable[[Recorder], Hashable]
FilterFunc = Callable[[Recorder], bool]


class ListOptions(TypedDict, total=False):
    """Arguments of ``Experiment.list_recorders``."""

    rtype: Literal["dict", "list"]
    max_results: int | None
    status: str | None
    filter_string: str


class OtherOptions(TypedDict, total=False):
    """Further arguments of ``RecorderCollector`` that Qlib's strategies do not take."""

    artifacts_path: Mapping[str, str] | None
    list_kwargs: ListOptions | None
    status: str | Iterable[str] | None
    allow_missing: bool
    on_duplicate: Literal["error", "latest"]
    loader: Loader | None


class CollectorOptions(OtherOptions, total=False):
    """Further arguments of ``RecorderCollector``."""

    process_list: Processes
    rec_key_func: KeyFunc | None
    rec_filter_func: FilterFunc | None
    artifacts_key: str | Sequence[str] | None
