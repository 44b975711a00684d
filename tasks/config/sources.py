"""Where settings come from: ``rollq.toml``, environment, script, command line; each value remembers its place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import SettingsError
from rollq.tasks.files.user_file import read_toml

CONFIG_FILE = "rollq.toml"
PREFIX = "ROLLQ_"
USUAL = {"mlflow_uri": "MLFLOW_TRACKING_URI"}  # names that others use for a setting; ours is stronger
# Variables that are no settings: of a session (ROLLQ_DEBUG), between our processes, and of our tests.
OTHERS = {"ROLLQ_DEBUG", "ROLLQ_WORKER_RESTARTS", "ROLLQ_FUZZ_SEED", "ROLLQ_TEST_MONGO_URI"}
# What Kubernetes and Docker say about a service that is called rollq-something.
OF_A_SERVICE = re.compile(r".*_(SERVICE_(HOST|PORT)(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?|NAME|ENV_.*)")
ALIKE = 0.6  # from here on a name is taken for a misspelt one
_of_script: dict[str, object] = {}  # what the script of this process said in its call of ``rollq.init``


@dataclass(frozen=True)
class Given:
    """A value, and where it was given, such as ``the variable ROLLQ_QUEUES``."""

    value: object
    place: str


def gather(known: Mapping[str, bool], overrides: Mapping[str, object], folder: Path | None = None) -> dict[str, Given]:
    """What was given for each setting, the strongest source last in time and first in rank.

    Args:
        known: names of all settings, and whether each is a list.
        overrides: those of the command line; None means not given.
        folder: where ``rollq.toml`` is; None: the working folder.

    Raises:
        SettingsError: a name is unknown, or the file cannot be read.
    """
    found = _of_file((folder or Path()) / CONFIG_FILE, known)
    found.update(_of_environment(known))
    found.update({name: Given(value, "the call of rollq.init") for name, value in _of_script.items()})
    found.update(_of_command_line(known, overrides))
    return found


def set_for_script(values: Mapping[str, object]) -> dict[str, object]:
    """Settings of this process, in place of those that were set so before, which are returned."""
    before = dict(_of_script)
    _of_script.clear()
    _of_script.update(values)
    return before


def _of_file(path: Path, known: Mapping[str, bool]) -> dict[str, Given]:
    if not path.exists():
        return {}
    file = read_toml(path, "settings file", SettingsError)
    for name in file.content:
        if name not in known:
            place = file.place(name) or path.name
            raise SettingsError(f"There is no setting {name!r} ({place}).", did_you_mean(name, known))
    return {name: Given(value, file.place(name) or path.name) for name, value in file.content.items()}


def _of_environment(known: Mapping[str, bool]) -> dict[str, Given]:
    """Settings that variables give; ``known`` says of each whether it is a list."""
    _refuse_misspelt(known)
    variables = {name.upper(): (name, value) for name, value in os.environ.items()}
    found: dict[str, Given] = {}
    for name, is_list in known.items():
        for variable in (PREFIX + name.upper(), USUAL.get(name, "")):
            if variable in variables and name not in found:
                written, text = variables[variable]
                if text or name.endswith(("uri", "url")):  # an empty URL is the embedded stack
                    place = f"the variable {written}"
                    found[name] = Given(_list(text, place) if is_list else text.strip(), place)
    return found


def _of_command_line(known: Mapping[str, bool], overrides: Mapping[str, object]) -> dict[str, Given]:
    for name in overrides:
        if name not in known:
            raise SettingsError(f"There is no setting {name!r}.", did_you_mean(name, known))
    return {
        name: Given(value, f"the option --{name.replace('_', '-')}")
        for name, value in overrides.items()
        if value is not None
    }


def _refuse_misspelt(known: Collection[str]) -> None:
    """Refuse a variable of ours that names no setting but nearly does: silently ignored, it would mislead."""
    for variable in sorted(os.environ):
        name = variable.upper()
        if not name.startswith(PREFIX) or name in OTHERS or OF_A_SERVICE.fullmatch(name):
            continue
        short = name.removeprefix(PREFIX).lower()
        if short not in known and (close := get_close_matches(short, known, n=1, cutoff=ALIKE)):
            raise SettingsError(
                f"There is no setting {short!r} (the variable {variable}).",
                f"Did you mean {PREFIX}{close[0].upper()}? docs/reference/settings.md lists all.",
            )


def _list(text: str, place: str) -> list[object]:
    """A list from JSON, or from words with commas."""
    if not text.lstrip().startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        found: list[object] = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{place} is no list: {error}.", "Write gpu,cpu or a list in JSON.") from None
    return found
