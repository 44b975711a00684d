"""What a strategy of the user's own was made with, as it stands in the store: enough to make it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps

from rollq.tasks.components.registry import build
from rollq.tasks.definition import ROLLING
from rollq.tasks.errors import SettingsError, TemplateError
from rollq.tasks.identity import canonical
from rollq.tasks.rolling.generator import RollingGen
from rollq.tasks.rolling.generator_config import component_of
from rollq.tasks.rolling.template import Template

GENERATOR, TEMPLATE = "rollq.RollingGen", "rollq.Template"  # keys that tell them from a mapping of the user's
OF_PROCESS = ("settings", "backend")  # keywords that another process has of its own


Given = tuple[tuple[object, ...], dict[str, object]]


def remembering(init: Callable[..., None]) -> Callable[..., None]:
    """An ``__init__`` that keeps what it is given: positional arguments and keywords, of the outermost class."""

    @wraps(init)
    def remember(self: object, *args: object, **kwargs: object) -> None:
        if "_given" not in vars(self):
            vars(self)["_given"] = (args, kwargs)
        init(self, *args, **kwargs)

    return remember


def to_stored(value: object, where: str) -> object:
    """An argument in JSON; generators and templates are told from mappings.

    Raises:
        SettingsError: it has no such form; ``where`` names the argument.
    """
    try:
        if isinstance(value, RollingGen):
            return {GENERATOR: component_of(value)}
        if isinstance(value, Template):
            return {TEMPLATE: value.to_config()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [to_stored(one, where) for one in value]
        return canonical(value)
    except TemplateError as error:
        raise SettingsError(
            f"{where} cannot be stored: {error.message}",
            "Other processes must make the strategy again: give JSON, or write to_config and of_config.",
        ) from None


def of_stored(value: object, components: tuple[str, ...]) -> object:
    """The argument that ``to_stored`` wrote."""
    if isinstance(value, Mapping) and GENERATOR in value:
        return build(value[GENERATOR], ROLLING, components)
    if isinstance(value, Mapping) and TEMPLATE in value:
        return Template.of_config(value[TEMPLATE])
    return [of_stored(one, components) for one in value] if isinstance(value, list) else value
