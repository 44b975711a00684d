"""A handler of Qlib, made of its configuration, with the frame that all workers of this machine share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from rollq.tasks.definition import CLASS, END_TIME, HANDLER, KWARGS, MODULE
from rollq.tasks.errors import ComponentError, DataError, RollqError
from rollq.tasks.failures import Kind, described, kind_of
from rollq.workers.qlib.classes import check_names
from rollq.workers.qlib.data.content import Reads, calendar_of, day_contents, folder_state
from rollq.workers.qlib.data.frames import SharedLoader
from rollq.workers.qlib.data.loaders import DAY, FAR, Loaded
from rollq.workers.qlib.data.processed import fill_shared
from rollq.workers.qlib.data.provider import ready
from rollq.workers.qlib.data.states import State, restore, states_of
from rollq.workers.qlib.natives import Handler
from rollq.workers.qlib.quiet import quietly

KEY = f"dataset.kwargs.{HANDLER}"


class Source:
    """The data of a dataset: a folder, and what a handler reads of it.

    Args:
        options: ``qlib_init``, checked.
        config: of the handler.
        cache_dir: for what is computed once per machine.
    """

    def __init__(self, options: Mapping[str, object], config: Mapping[str, object], cache_dir: Path) -> None:
        self._options, self._config, self._cache_dir = options, config, cache_dir

    @property
    def folder(self) -> Path:
        """The data folder; this process's Qlib reads it from now on, whichever it has read before.

        Raises:
            DataError: it is not there, or holds no daily data.
        """
        return ready(self._options)

    @cached_property
    def loaded(self) -> Loaded:
        """What the handler loads, looked at without loading it."""
        _ = self.folder
        found = Loaded(_made(self._config, init_data=False))
        if found.freq != DAY:
            raise ComponentError(f"its frequency is {found.freq!r}.", "rollq trains on daily data.", f"{KEY}.freq")
        return found

    @cached_property
    def reads(self) -> Reads:
        """Which files of the folder count."""
        spans = self.loaded.spans(self.folder)
        if not spans:
            raise DataError(f"{KEY}.{KWARGS}.instruments: none of them is in {self.folder}.", "Name a market of it.")
        return Reads(spans, self.loaded.fields, self.lookback, self.loaded.lookahead or 0)

    @cached_property
    def lookback(self) -> int:
        """Sessions that features look back: at most as many as there are."""
        return min(self.loaded.lookback, len(calendar_of(self.folder)), FAR)

    @cached_property
    def contents(self) -> dict[str, str]:
        """A hash of what each session holds.

        Raises:
            DataError: no session holds anything.
        """
        found = day_contents(self.folder, self.reads, self._cache_dir)
        if not found:
            raise DataError(f"{self.folder} holds no value of these instruments.", "Look at its folder features/.")
        return found

    def handler(self, end_time: object, states: Sequence[State] | None) -> Handler:
        """The handler with its data.

        Args:
            end_time: load up to this day.
            states: what its processors have learned; None: they learn now, from their fit dates.
        """
        _ = self.folder
        config = {**self._config, KWARGS: {**_kwargs(self._config), END_TIME: end_time}}
        made = _made(config, init_data=False)
        own = made.data_loader
        loader = made.data_loader = SharedLoader(own, folder_state(self.folder, self.reads), self._cache_dir)
        with quietly():
            # Where processors learn nothing there is nothing to restore.
            if not fill_shared(made, loader, self._cache_dir):
                if states is not None:
                    restore(_processors(made), states)
                made.setup_data("fit_seq" if states is None else "load_state")
        made.data_loader = own  # as if it had loaded by itself
        return made


def fitted_states(handler: Handler) -> list[dict[str, object]]:
    """What the processors of a handler have learned."""
    return states_of(_processors(handler))


def check_handler(config: object) -> dict[str, object]:
    """The configuration of a handler, once every name in it was looked at.

    Raises:
        ComponentError: it is none, or names what is neither Qlib's nor registered.
    """
    if not isinstance(config, Mapping):
        raise ComponentError("a handler is a mapping with 'class' and 'kwargs'.", "Write it out.", KEY)
    check_names(config, KEY)
    return dict(config)


def _kwargs(config: Mapping[str, object]) -> Mapping[str, object]:
    kwargs = config.get(KWARGS)
    return kwargs if isinstance(kwargs, Mapping) else {}


def _processors(handler: Handler) -> list[object]:
    every = getattr(handler, "get_all_processors", None)
    return list(every()) if callable(every) else []


def _made(config: Mapping[str, object], **more: object) -> Handler:
    """A handler of a configuration; what Qlib refuses is an error of the template.

    Raises:
        ComponentError: Qlib cannot make it.
    """
    with quietly():
        from qlib.data.dataset.handler import DataHandler
        from qlib.utils import init_instance_by_config

        try:
            made = init_instance_by_config({**config, KWARGS: {**_kwargs(config), **more}}, accept_types=DataHandler)
        except RollqError:
            raise
        except BaseException as error:
            if kind_of(error) is Kind.STOP:
                raise
            raise ComponentError(
                f"{config.get(CLASS)} refuses its kwargs: {described(error)}.", "Correct the value.", f"{KEY}.{KWARGS}"
            ) from error
    if not isinstance(made, DataHandler):
        name = f"{config.get(MODULE)}.{config.get(CLASS)}"
        raise ComponentError(f"{name} is no handler.", "Name one, such as Alpha158.", f"{KEY}.{CLASS}")
    handler: Handler = made
    return handler
