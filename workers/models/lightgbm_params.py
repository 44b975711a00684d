"""Parameters of LightGBM: refused when they are unknown, out of range, or without effect on what rollq trains.

LightGBM itself would train happily with most of them, or fail on every window. It has the last word on values: a model
of no trees is made with the parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import cache

import lightgbm as lgb
import numpy as np

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import ComponentError
from rollq.workers.models.learning.own_functions import is_own, metrics_of
from rollq.workers.models.lightgbm_table import (
    CHOICES,
    COUNT,
    FIXED,
    FLAGS,
    FOR_CATEGORIES,
    LARGEST_INT,
    LISTS,
    MANY,
    NEEDS,
    OTHER_LISTS,
    OWN,
    OWN_OBJECTIVE,
    RANGES,
    RANKS,
    SOME,
    WITHOUT_EFFECT,
    Params,
    metrics_for,
)

KEY = "model.kwargs"
OF_ANY_LABEL = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", OWN_OBJECTIVE)
_LIST_FIX = {
    "label_gain": "Give the gain of each grade, from 0 on.",
    "eval_at": "Write [5, 10]: the metric is of so many of the best rows.",
    "auc_mu_weights": "Give classes x classes numbers.",
}


def check_params(given: Mapping[str, object], own: Params) -> None:
    """Refuse parameters that are unknown, out of range, without effect, or that do not go together.

    Args:
        given: as the user names them; None is left out.
        own: what rollq sets, by LightGBM's names: objective, seed, early_stopping_round.

    Raises:
        ComponentError: it names the parameter.
    """
    names = _main_names(given)
    params = {**own, **{main: given[name] for main, name in names.items()}}
    for main, name in names.items():
        if main in WITHOUT_EFFECT:
            raise ComponentError(f"it has no effect: {WITHOUT_EFFECT[main]}.", "Leave it out.", f"{KEY}.{name}")
        if main == "metric":
            _check_metrics(given[name], f"{KEY}.{name}", metrics_for(own["objective"]))
        else:
            _check_value(main, given[name], f"{KEY}.{name}")
    for main, holds, needed in NEEDS:
        if main in params and not holds(params):
            name = names.get(main, OWN.get(main, main))
            raise ComponentError(f"it has no effect without {needed}.", "Add that, or leave it out.", f"{KEY}.{name}")
    _check_depth(params, names)
    _ask_lightgbm(params, names)


def check_features(
    given: Mapping[str, object], own: Params, features: int, categories: Collection[object] = ()
) -> None:
    """Refuse parameters that name other features than there are, or that are for categories where there are none.

    Args:
        features: how many there are.
        categories: names of those that are categories.

    Raises:
        ComponentError: it names the parameter.
    """
    names = _main_names(given)
    for main in FOR_CATEGORIES:
        if main in names and not categories:
            raise ComponentError(
                "it has no effect: it is for categories, and no feature is one.",
                "Name those that are under dataset.kwargs.categorical, or leave it out.",
                f"{KEY}.{names[main]}",
            )
    groups = given[names["interaction_constraints"]] if "interaction_constraints" in names else ()
    if isinstance(groups, list | tuple) and groups and max(max(group) for group in groups) >= features:
        key = f"{KEY}.{names['interaction_constraints']}"
        raise ComponentError(f"there are {features} features, the first is 0.", "Name those that there are.", key)
    if not set(LISTS).isdisjoint(names):
        _ask_lightgbm({**own, **{main: given[name] for main, name in names.items()}}, names, features)


def _main_names(given: Mapping[str, object]) -> dict[str, str]:
    """The user's name of each parameter, by LightGBM's."""
    found: dict[str, str] = {}
    for name, value in given.items():
        main = _main_name(name)
        if main in found:
            raise ComponentError(
                f"it is the same as {found[main]!r}, which is there too.", "Keep one.", f"{KEY}.{name}"
            )
        if value is not None:
            found[main] = name
    return found


def _main_name(name: str) -> str:
    """LightGBM's main name of a parameter; refused if it is unknown, or rollq's to set."""
    key, known = f"{KEY}.{name}", _known_params()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        meant = OWN.get(known[close[0]], known[close[0]]) if close else ""
        hint = f"Did you mean {meant!r}? " if meant else ""
        raise ComponentError("LightGBM has no such parameter.", f"{hint}See LightGBM's list of parameters.", key)
    if known[name] in OWN:
        raise ComponentError(f"it has another name here: {OWN[known[name]]}.", "Use that one.", key)
    if known[name] in FIXED:
        raise ComponentError(f"it is set by rollq to {FIXED[known[name]]}.", "Leave it out.", key)
    return known[name]


def _check_value(main: str, value: object, key: str) -> None:
    """Refuse a value that the table knows to be impossible; a parameter that is in no table takes any finite number."""
    if main in RANGES and not RANGES[main].holds(value):
        raise ComponentError(f"{value!r} is not possible.", f"Use {RANGES[main]}.", key)
    if main == "max_depth" and not (value == -1 or SOME.holds(value)):
        raise ComponentError(f"{value!r} is not possible.", "Use a whole number of at least 1, or -1: no limit.", key)
    if main in CHOICES and value not in CHOICES[main]:
        raise ComponentError(f"{value!r} is unknown here.", did_you_mean(str(value), CHOICES[main]), key)
    if main in FLAGS and not isinstance(value, bool):
        raise ComponentError(f"{value!r} is neither true nor false.", "Write true or false.", key)
    if main in LISTS or main in OTHER_LISTS:
        _check_list(main, value, key)
    elif main not in CHOICES and main not in FLAGS and not _is_number(value):
        raise ComponentError(f"{value!r} is no number.", "Use a finite number, without quotes.", key)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST_INT if isinstance(value, int) else math.isfinite(value)


def _check_metrics(value: object, key: str, known: Collection[str]) -> None:
    """Refuse metrics that do not go with the objective; those of one's own come last."""
    own_before = False
    for name in metrics_of(value) or [value]:
        if is_own(name):
            own_before = True
        elif name not in known:
            raise ComponentError(f"the metric {name!r} is unknown here.", did_you_mean(str(name), known), key)
        elif own_before:
            raise ComponentError("a metric of one's own stands before one of LightGBM's.", "Put it last.", key)


def _check_list(main: str, value: object, key: str) -> None:
    """Refuse what is no list of the kind that a parameter wants."""
    inner = value if isinstance(value, list | tuple) else [None]
    if main == "interaction_constraints":
        whole = all(isinstance(group, list | tuple) and group and all(map(COUNT.holds, group)) for group in inner)
        if not inner or not whole:
            raise ComponentError(f"{value!r} is no list of groups.", "Write [[0, 1], [2]]: numbers of features.", key)
    elif not inner or not all(map(_is_number, inner)):
        raise ComponentError(
            f"{value!r} is no list of numbers.", _LIST_FIX.get(main, "Give one number for each feature."), key
        )
    elif main == "eval_at" and not all(map(SOME.holds, inner)):
        raise ComponentError(f"{value!r} is not possible.", "Give whole numbers above 0.", key)
    elif main == "monotone_constraints" and not set(inner) <= {-1, 0, 1}:
        raise ComponentError(f"{value!r} is not possible.", "Use -1, 0 and 1.", key)


def _check_depth(params: Params, names: Mapping[str, str]) -> None:
    depth, leaves = params.get("max_depth", -1), params.get("num_leaves", 2)
    # From 17 on no count of leaves that is allowed (131,072 = 2^17) can be too large.
    if 0 < depth < 17 and leaves > 2**depth:
        raise ComponentError(
            f"it has no effect: trees of depth {depth} have at most {2**depth} leaves.",
            "Use fewer leaves or a larger max_depth, or leave one out.",
            f"{KEY}.{names['num_leaves']}",
        )


def _ask_lightgbm(params: Params, names: Mapping[str, str], features: int | None = None) -> None:
    """Make a Booster of no trees with the parameters; without a number of features those by feature are left out."""
    asked = {
        main: value
        for main, value in params.items()
        # Weights between classes have the form of the classes, which are not known before train is.
        if value is not None and main not in ("early_stopping_round", "auc_mu_weights")
        if features or main not in LISTS
    }
    if own := [one for one in metrics_of(asked.get("metric")) if is_own(one)]:
        asked["metric"] = [one for one in metrics_of(asked["metric"]) if one not in own] or "None"
    objective = asked["objective"]
    # Twenty rows are enough: LightGBM checks its parameters when a Booster is made, and no tree is grown.
    rows = np.linspace(-0.5, 0.5, 20)
    label = rows if objective in OF_ANY_LABEL else np.tile([0.0, 1.0], 10) if objective != "gamma" else rows + 1
    more = {"num_class": 2} if objective in MANY else {"objective": "none"} if objective == OWN_OBJECTIVE else {}
    group = [20] if objective in RANKS else None
    made = {**asked, **more, **FIXED}
    try:
        data = lgb.Dataset(np.repeat(rows[:, None], features or 1, axis=1), label, group=group, params=made)
        lgb.Booster(made, data)
    except (lgb.basic.LightGBMError, TypeError, ValueError) as error:
        raise _refused_by_lightgbm(str(error), names) from None


def reason_of(said: str) -> str:
    """What LightGBM says, without the line of its own source, and the path of the machine that it was built on."""
    return re.sub(r" at /\S+, line \d+ ?\.?", "", said).removeprefix("Check failed: ").strip().rstrip(".")


def _refused_by_lightgbm(said: str, names: Mapping[str, str]) -> ComponentError:
    reason = reason_of(said)
    concerned = [name for main, name in names.items() if re.search(rf"\b{main}\b", reason)]
    key = f"{KEY}.{concerned[0]}" if len(concerned) == 1 else KEY
    return ComponentError(f"LightGBM refuses it: {reason}.", "Look it up in LightGBM's list of parameters.", key)


@cache
def _known_params() -> Mapping[str, str]:
    """LightGBM's name of each parameter, by each of its aliases; the library itself keeps the list."""
    # A private name of LightGBM; a list of our own would miss what a newer version adds.
    aliases = lgb.basic._ConfigAliases._get_all_param_aliases()
    return {name: main for main, others in aliases.items() for name in (main, *others)}
