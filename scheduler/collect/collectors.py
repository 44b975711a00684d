"""Collectors gather values from somewhere and process them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from rollq.scheduler.collect.values import Collected, Process, Values
from rollq.tasks.errors import EnsembleError

Processes = Process | Sequence[Process]


class Collector(ABC):
    """Collects, then applies processes in order to each collected value.

    Args:
        process_list: callables, such as groups and ensembles; a single one may be given bare.
    """

    def __init__(self, process_list: Processes = ()) -> None:
        self.process_list = _listed(process_list)

    @abstractmethod
    def collect(self) -> Collected:
        """The raw values by key."""

    @staticmethod
    def process_collect(
        collected_dict: Values, process_list: Processes = (), *args: object, **kwargs: object
    ) -> Collected:
        """Each collected value after all processes, which are called with it, ``args`` and ``kwargs``.

        Raises:
            EnsembleError: a process cannot be called.
        """
        processes = _listed(process_list)
        processed = {}
        for key, value in collected_dict.items():
            for process in processes:
                if not callable(process):
                    raise EnsembleError(
                        f"{process!r} cannot process what was collected.", "Pass groups, ensembles or functions."
                    )
                value = process(value, *args, **kwargs)
            processed[key] = value
        return processed

    def __call__(self, *args: object, **kwargs: object) -> Collected:
        """Collect and process; ``args`` and ``kwargs`` go to the processes.

        Raises:
            EnsembleError: as ``process_collect``.
        """
        return self.process_collect(self.collect(), self.process_list, *args, **kwargs)


class MergeCollector(Collector):
    """The values of several collectors under joint keys.

    Args:
        collector_dict: collectors by name; each is called, so its own processes are applied first.
        process_list: as for ``Collector``, applied to the merged values.
        merge_func: makes the joint key of a collector's name and a key of its; None: the pair of them. Of two values
            with one joint key the later one stays.
    """

    def __init__(
        self,
        collector_dict: Mapping[str, Collector],
        process_list: Processes = (),
        merge_func: Callable[[str, object], object] | None = None,
    ) -> None:
        super().__init__(process_list)
        self.collector_dict = dict(collector_dict)
        self.merge_func = merge_func

    def collect(self) -> Collected:
        """The values of all collectors."""
        merge = self.merge_func or (lambda collector, key: (collector, key))
        return {
            merge(name, key): value
            for name, collector in self.collector_dict.items()
            for key, value in collector().items()
        }


def _listed(process_list: Processes) -> list[Process]:
    return list(process_list) if isinstance(process_list, Sequence) else [process_list]
