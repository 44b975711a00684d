"""The recorders of an experiment, which may be given by its name."""

from __future__ import annotations

from rollq.scheduler.collect.options import FilterFunc, Recorders
from rollq.tasks.errors import BadInput
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.recorder import Recorder


def list_recorders(experiment: Experiment | str, rec_filter_func: FilterFunc | None = None) -> dict[str, Recorder]:
    """The recorders of an experiment by id, the newest first.

    Args:
        experiment: an Experiment, or the name of one.
        rec_filter_func: says of a recorder whether it is listed; None: each is.

    Raises:
        NotFound: there is no experiment of this name.
        BadInput: it is neither an experiment nor a name.
    """
    found = experiment_of(experiment)
    if not isinstance(found, Experiment):
        raise BadInput(f"{experiment!r} has no recorders to list.", "Pass an experiment or its name.")
    listed = found.list_recorders()
    recorders = listed.values() if isinstance(listed, dict) else listed
    return {recorder.id: recorder for recorder in recorders if rec_filter_func is None or rec_filter_func(recorder)}


def experiment_of(experiment: Experiment | str | Recorders) -> Experiment | Recorders:
    """The experiment that is meant; a function that returns recorders stays as it is.

    Args:
        experiment: an Experiment, the name of one, or such a function.

    Raises:
        NotFound: there is no experiment of this name.
        BadInput: it is none of these.
    """
    if isinstance(experiment, str):
        from rollq.tasks.tracking.workflow import R  # two seconds to import: only where it is needed

        return R.get_exp(experiment_name=experiment, create=False)
    if isinstance(experiment, Experiment) or callable(experiment):
        return experiment
    raise BadInput(f"Recorders cannot be collected from {experiment!r}.", "Pass an experiment or its name.")
