"""Qlib's backtest in a script of its users: ``PortAnaRecord(recorder, config, "day").generate()``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollq.tasks.components.record import Names, Record
from rollq.tasks.errors import ComponentError
from rollq.workers.qlib.data.provider import ready
from rollq.workers.qlib.datasets import QlibDataset, usual_folder
from rollq.workers.qlib.models import QlibModel
from rollq.workers.qlib.quiet import quietly
from rollq.workers.qlib.recorder import QlibRecorder, Run

Frequencies = str | Sequence[str] | None


class PortAnaRecord(Record):
    """Backtests the signals of a run that a script has made, by Qlib's own record; needs pyqlib.

    Args:
        recorder: the run.
        config: as in Qlib; models and datasets in it may be those of ``init_instance_by_config``.
        risk_analysis_freq, indicator_analysis_freq, indicator_analysis_method, skip_existing: as in Qlib.
    """

    artifact_path = "portfolio_analysis"

    def __init__(
        self,
        recorder: Run,
        config: Mapping[str, object] | None = None,
        risk_analysis_freq: Frequencies = None,
        indicator_analysis_freq: Frequencies = None,
        indicator_analysis_method: str | None = None,
        skip_existing: bool = False,
    ) -> None:
        super().__init__(recorder)
        self._run, self._config = recorder, config
        self._options = {
            "risk_analysis_freq": risk_analysis_freq,
            "indicator_analysis_freq": indicator_analysis_freq,
            "indicator_analysis_method": indicator_analysis_method,
            "skip_existing": skip_existing,
        }

    def generate(self) -> dict[str, float]:
        """Run the backtest and save what it comes to; the metrics that it logged.

        Raises:
            ComponentError: nobody has said where Qlib's data are, or the configuration names no strategy or backtest.
        """
        self._make_ready()
        facade = QlibRecorder(self._run)
        with quietly():
            from qlib.workflow.record_temp import PortAnaRecord as OfQlib

            try:
                made = OfQlib(facade, _natives(self._config), **self._options)
            except KeyError as error:
                raise ComponentError(
                    f"it has no {error}.", "A backtest needs a strategy and a backtest.", "config"
                ) from None
            made.generate()
        return facade.metrics

    def list(self) -> Names:
        """What it writes, by the names of the reference, of daily data."""
        return ["report_normal_1day.pkl", "positions_normal_1day.pkl", "port_analysis_1day.pkl"]

    def _make_ready(self) -> None:
        """Let Qlib read the data of the datasets that are named, or those of ``rollq.init``."""
        datasets = _datasets(self._config)
        for dataset in datasets:
            dataset.make_ready()
        if not datasets:
            if (folder := usual_folder()) is None:
                fix = "Say it: rollq.init(provider_uri=FOLDER)."
                raise ComponentError("nobody has said where Qlib's data are.", fix, "provider_uri")
            ready(folder)


def _natives(value: object) -> object:
    """``value`` with Qlib's own models and datasets where those stand that wrap them."""
    if isinstance(value, QlibModel | QlibDataset):
        return value.native
    if isinstance(value, Mapping):
        return {name: _natives(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_natives(one) for one in value)
    return [_natives(one) for one in value] if isinstance(value, list) else value


def _datasets(value: object) -> list[QlibDataset]:
    if isinstance(value, QlibDataset):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [found for one in parts for found in _datasets(one)]
