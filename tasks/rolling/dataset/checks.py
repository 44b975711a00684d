"""The section ``data_checks`` of a template becomes a keyword of its dataset."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from rollq.tasks.components.registry import resolve
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import CHECKS, DATASET, Definition, kwargs_of, with_kwargs
from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import canonical
from rollq.tasks.rolling.data_checks import DataChecks


def add_checks(definition: Definition, content: Mapping[str, object], settings: Settings) -> None:
    """Give the dataset the template's ``data_checks``; today is the day of the exchange, where its zone is given.

    Raises:
        TemplateError: the section cannot be used, or the dataset has no checks.
    """
    DataChecks.of(content.get(CHECKS))
    online, dataset = content.get("online"), definition[DATASET]
    zone = {"timezone": online["timezone"]} if isinstance(online, Mapping) and online.get("timezone") else {}
    section = content.get(CHECKS)
    section = (zone or None) if section is None else section
    if section is None or not _takes_checks(dataset, settings):
        if content.get(CHECKS) is not None:
            raise TemplateError("the dataset has no checks.", "Leave it out.", CHECKS)
        return
    if isinstance(section, Mapping):
        section = {**zone, **section}
    # What the dataset's own kwargs say goes before the section.
    definition[DATASET] = with_kwargs(dataset, {CHECKS: canonical(section, CHECKS), **kwargs_of(dataset)})


def _takes_checks(dataset: object, settings: Settings) -> bool:
    return CHECKS in inspect.signature(resolve(dataset, DATASET, settings.components)).parameters
