"""A rolling generator as a component: what is stored of one that a program made."""

from __future__ import annotations

import inspect
from copy import deepcopy

from rollq.tasks.definition import Component, component
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.generator import RollingGen, handler_mod

FUNCTIONS = {"ds_extra_mod_func": (handler_mod, None), "task_copy_func": (deepcopy,)}  # those that need not be stored
OF_DATA = "calendar"  # where it rolls, the sessions of the data are the calendar


def component_of(generator: RollingGen) -> Component:
    """The component that makes the generator again, on any machine.

    Raises:
        TemplateError: it is no RollingGen, or it holds what cannot be stored: a function of the user's own, or a value
            that its class does not keep under the name of the argument.
    """
    if not isinstance(generator, RollingGen):
        raise TemplateError(f"{generator!r} is no RollingGen.", "Give RollingGen(step, rtype).", "rolling_gen")
    kwargs: dict[str, object] = {}
    for name, parameter in inspect.signature(type(generator)).parameters.items():
        if name == OF_DATA:
            continue
        if not hasattr(generator, name):
            fix = f"Let the class keep it: self.{name} = {name}."
            raise TemplateError(f"{type(generator).__name__} does not say what it is.", fix, f"rolling_gen.{name}")
        value = getattr(generator, name)
        if name in FUNCTIONS and value not in FUNCTIONS[name]:
            raise TemplateError(
                "a function of your own cannot be stored, and other machines must be able to cut the same windows.",
                f"Leave {name} out, or give a subclass of RollingGen that does it, named in the setting `components`.",
                f"rolling_gen.{name}",
            )
        # What is the default is left out: functions have no JSON form.
        if value != parameter.default:
            kwargs[name] = str(value) if isinstance(value, str) else value
    return component(type(generator).__name__, kwargs)
