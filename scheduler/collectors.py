"""Collectors gather values from somewhere and process them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Process = Callable[[Any], Any]


class Collector(ABC):
    """Collects, then applies processes in order to each collected value.

    Args:
        process_list: callables, such as groups and ensembles; a single one may be given bare.
    """

    def __init__(self, process_list: Process | Sequence[Process] = ()) -> None:
        self.process_list = [process_list] if callable(process_list) else list(process_list)

    @abstractmethod
    def collect(self) -> dict[Any, Any]:
        """The raw values by key."""

    @staticmethod
    def process_collect(collected: Mapping[Any, Any], process_list: Process | Sequence[Process] = ()) -> dict[Any, Any]:
        """Each collected value after all processes."""
        processes = [process_list] if callable(process_list) else process_list
        processed = {}
        for key, value in collected.items():
            for process in processes:
                value = process(value)
            processed[key] = value
        return processed

    def __call__(self) -> dict[Any, Any]:
        """Collect and process."""
        return self.process_collect(self.collect(), self.process_list)


class MergeCollector(Collector):
    """The values of several collectors under joint keys: ``(collector, key)``, or what ``merge_func`` makes of them."""

    def __init__(
        self,
        collector_dict: Mapping[str, Collector],
        process_list: Process | Sequence[Process] = (),
        merge_func: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        super().__init__(process_list)
        self.collector_dict = dict(collector_dict)
        self.merge_func = merge_func

    def collect(self) -> dict[Any, Any]:
        """The values of all collectors."""
        merge = self.merge_func or (lambda collector, key: (collector, key))
        return {
            merge(name, key): value
            for name, collector in self.collector_dict.items()
            for key, value in collector().items()
        }
