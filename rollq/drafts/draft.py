"""The text of a first template: working as it is, with a comment where something was decided."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rollq.drafts.recipe import Recipe, json_text, recipe_for
from rollq.drafts.segments import Segments, segments_for
from rollq.workers.tables.profile.profile import Profile

WIDTH = 44  # where comments begin, if the line is shorter


def draft(profile: Profile, name: str, folder: Path) -> str:
    """A template for a table.

    Args:
        profile: what was found in it.
        name: of the template.
        folder: where it will lie; the path of the data is relative to it.

    Raises:
        DataError: there is no column to predict, or there are too few sessions.
    """
    recipe = recipe_for(profile)
    segments = segments_for(profile.sessions, recipe.lookback, recipe.lookahead, profile.frequency.name)
    dataset = _dataset(profile, recipe, segments, folder)
    return "\n".join([*_head(profile, recipe, name), *dataset, *_rolling(segments), ""])


def _head(profile: Profile, recipe: Recipe, name: str) -> Iterator[str]:
    """What it is, and the model."""
    yield f"# A first template for {Path(profile.path).name}: {recipe.label_said}."
    yield "# It works as it is: look at what is predicted, from what, and on which dates."
    yield f"name: {json_text(name)}"
    yield ""
    yield "model:"
    yield "  class: LGBModel"
    yield "  kwargs:"
    losses = {"tweedie": "amounts, many of which are 0", "mse": "squared error", "binary": "a probability"}
    said = {"loss": losses[str(recipe.model["loss"])]}
    for key, value in recipe.model.items():
        yield _line(f"    {key}: {value}", said.get(key, ""))
    yield ""


def _dataset(profile: Profile, recipe: Recipe, segments: Segments, folder: Path) -> Iterator[str]:
    """The table, the features, the label, the segments."""
    yield "dataset:"
    yield "  class: TableDataset"
    yield "  kwargs:"
    path = os.path.relpath(os.path.abspath(profile.path), folder)  # noqa: PTH100 - a pattern is no path
    yield _line(f"    path: {_text(path)}", "relative to this file")
    yield from _keys(profile)
    yield "    features:"
    for text, said in recipe.features:
        yield _line(f"      - {_text(text)}", said)
    label = recipe.label if recipe.label.startswith("{") else _text(recipe.label)
    yield _line(f"    label: {label}", recipe.label_said)
    for key, value, said in recipe.kwargs:
        yield _line(f"    {key}: {value}", said)
    yield "    segments:"
    yield f"      train: [{segments.train[0]}, {segments.train[1]}]"
    if segments.valid:
        yield f"      valid: [{segments.valid[0]}, {segments.valid[1]}]"
    yield _line(f"      test: [{segments.test}, null]", "to the last session")
    yield ""


def _keys(profile: Profile) -> Iterator[str]:
    """The keys with which the table is read; those that are found by themselves as comments."""
    for key, column in (("time", profile.time), ("instrument", profile.instrument)):
        if key in profile.keys:
            yield _line(f"    {key}: {_value(profile.keys[key])}", profile.said.get(key, ""))
        elif column is not None and not column.startswith("("):
            yield _line(f"    {key}: {_text(column)}", "")
        elif key == "instrument" and not profile.keys.get("wide") and column is None:
            yield _line("    instrument: null", "one series")
    for key, value in profile.keys.items():
        if key not in ("time", "instrument"):
            yield _line(f"    {key}: {_text(str(value))}", profile.said.get(key, ""))
    if profile.zone is None and not profile.dates:
        yield "    # zone: Europe/Berlin       # of the times, which have none: then hours are right when clocks change"


def _value(value: object) -> str:
    """A text, or a list of texts."""
    return f"[{', '.join(json_text(str(one)) for one in value)}]" if isinstance(value, list) else _text(str(value))


def _rolling(segments: Segments) -> Iterator[str]:
    """How it is cut; what the label would leak is cut off by itself."""
    yield "rolling:"
    yield "  kwargs:"
    yield _line(f"    step: {segments.step}", f"sessions from one window to the next: {segments.windows} windows")
    yield _line("    rtype: expanding", "or sliding: train keeps its length")


def _line(text: str, said: str) -> str:
    return f"{text.ljust(WIDTH)}  # {said}" if said else text


def _text(text: str) -> str:
    """A text of YAML, in quotes where it could be read as something else."""
    first, odd = text[:1], (": ", " #")
    safe = (first.isalpha() or first in "(_./") and not any(one in text for one in odd) and not text.endswith(":")
    if safe and text.isprintable() and text.lower() not in ("null", "true", "false", "~"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
