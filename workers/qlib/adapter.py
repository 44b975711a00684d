"""From the name of a class of Qlib's to the class of rollq that stands for it (entry-point group ``rollq.adapters``).

Only classes that are Qlib's own are taken: defined in a module under ``qlib.``, and of a kind that can stand where they
are named. What is merely imported there is not.
"""

from __future__ import annotations

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Record
from rollq.tasks.errors import ComponentError
from rollq.workers.qlib.classes import qlib_class
from rollq.workers.qlib.quiet import quietly


def adapt(name: str, module: str, key: str) -> type[Model] | type[Dataset] | type[Record]:
    """The class of rollq that wraps one of Qlib's.

    Args:
        name, module: as a template names it.
        key: where in the template, for messages.

    Raises:
        ComponentError: there is no such class, it is none of Qlib's, or a package that it needs is not installed.
    """
    cls = qlib_class(name, module, key)
    made = _adapted(cls)
    if made is None:
        raise ComponentError(
            f"{module}.{name} is no model, dataset or record of Qlib.", "Name a class that is one.", f"{key}.class"
        )
    return made


def _adapted(cls: type[object]) -> type[Model] | type[Dataset] | type[Record] | None:
    """The class that stands for one of Qlib's; the same one each time that it is named."""
    if cls not in _made:
        _made[cls] = _wrapped(cls)
    return _made[cls]


_made: dict[type[object], type[Model] | type[Dataset] | type[Record] | None] = {}


def _wrapped(cls: type[object]) -> type[Model] | type[Dataset] | type[Record] | None:
    """A new class for one of Qlib's, by its kind; None if it is of another kind."""
    with quietly():
        from qlib.data.dataset import DatasetH
        from qlib.model.base import Model as QlibModel
        from qlib.workflow.record_temp import RecordTemp

    from rollq.workers.qlib.datasets import dataset_of
    from rollq.workers.qlib.models import model_of
    from rollq.workers.qlib.records import record_of

    if issubclass(cls, QlibModel):
        return model_of(cls)
    if issubclass(cls, DatasetH):
        return dataset_of(cls)
    return record_of(cls) if issubclass(cls, RecordTemp) else None
