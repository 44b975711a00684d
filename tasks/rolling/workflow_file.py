"""Qlib's workflow files, read as templates: ``qlib_init``, ``task`` and whatever stands beside them.

A file says how one model is trained; what it does not say is how it rolls. That is added, in the file or on the command
line. Nothing of Qlib is imported here: which of its classes there are is known once they are resolved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rollq.tasks.components.app_dir import add_app_dir
from rollq.tasks.config.settings import expanded
from rollq.tasks.definition import (
    DATASET,
    KWARGS,
    MODEL,
    MODULE,
    PROVIDER,
    QLIB_INIT,
    RECORD,
    ROLLING,
    Component,
    kwargs_of,
    with_kwargs,
)
from rollq.tasks.errors import TemplateError
from rollq.tasks.files.user_file import read_yaml

TASK, BASE_FILE, SYS, EXPERIMENT_NAME, NAME = "task", "BASE_CONFIG_PATH", "sys", "experiment_name", "name"
RECORDS = "qlib.workflow.record_temp"  # where Qlib looks for a record without a module
GIVEN = {"model": "<MODEL>", "dataset": "<DATASET>"}  # to a record, by the worker
# What a file may say of Qlib that rollq does itself: caches, processes, logs, and where runs and tasks are kept.
OWN = frozenset(
    {
        *("expression_cache", "dataset_cache", "calendar_cache", "local_cache_path", "kernels", "joblib_backend"),
        *("maxtasksperchild", "redis_host", "redis_port", "redis_task_db", "redis_password", "mongo", "exp_manager"),
        *("logging_level", "logging_config", "mount_path", "auto_mount", "skip_if_reg", "clear_mem_cache"),
        *("default_disk_cache", "mem_cache_size_limit", "mem_cache_limit_type", "mem_cache_expire", "flask_server"),
    }
)
AHEAD = re.compile(r"Ref\s*\([^()]*(?:\([^()]*\)[^()]*)*,\s*-\s*(\d+)\s*\)")  # a label: Ref($close, -2)
USUAL_AHEAD = 2  # of the labels of Qlib's handlers
MARK = re.compile(rf"({QLIB_INIT}|{TASK}|{BASE_FILE})\s*:")  # a line of a workflow file
JINJA = re.compile(r"\{\{|\{%")
ROLL = "`--step 60 --rtype sliding`, or rolling: {kwargs: {step: 60, rtype: sliding}} in the file"


def refuse_placeholders(path: Path) -> None:
    """Refuse a workflow file that is to be rendered first: it is no YAML yet.

    Raises:
        TemplateError: it holds ``{{`` or ``{%``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return  # the reader says what is wrong with it
    if not any(MARK.match(line) for line in lines):
        return
    for number, line in enumerate(lines, 1):
        if JINJA.search(line.partition("#")[0]):
            raise TemplateError(
                f"{path.name}, line {number}: it is to be rendered by Jinja first.", "Write the value into the file."
            )


def is_workflow(content: Mapping[str, object]) -> bool:
    """Whether this is what Qlib's ``qrun`` reads."""
    return any(name in content for name in (QLIB_INIT, TASK, BASE_FILE))


def template_of_workflow(content: Mapping[str, object], path: Path, known: frozenset[str]) -> dict[str, object]:
    """The template that a workflow file is.

    Args:
        path: of the file.
        known: keys of rollq's templates, which may stand in a workflow file, too; other keys are the file's own.

    Raises:
        TemplateError: a part is missing or of the wrong form; there is no ``rolling``.
    """
    whole = _with_base(content, path)
    _add_folders(whole.get(SYS), path)
    task = whole.get(TASK)
    if not isinstance(task, Mapping):
        raise TemplateError("a workflow file has a task.", "Write model, dataset and record under it.", TASK)
    for name in task:
        if name not in (MODEL, DATASET, RECORD):
            raise TemplateError(f"{name!r} is not used here.", "A task has model, dataset, record.", f"{TASK}.{name}")
    if not isinstance(task.get(DATASET), Mapping):
        raise TemplateError("it is missing or no mapping.", "Write class, module_path and kwargs.", f"{TASK}.{DATASET}")
    kept = {name: value for name, value in whole.items() if name in known}
    name = {NAME: whole[EXPERIMENT_NAME]} if EXPERIMENT_NAME in whole and NAME not in whole else {}
    parts = {MODEL: task.get(MODEL), DATASET: _dataset(task[DATASET], whole), RECORD: _records(task.get(RECORD))}
    return {**name, **kept, **parts, ROLLING: _rolling(whole.get(ROLLING), task[DATASET])}


def with_rolling(content: object, step: int | str | None, rtype: str | None) -> object:
    """A template, or a workflow file, with another step or another kind of rolling."""
    step = int(step) if isinstance(step, str) and step.isdigit() else step
    given = {name: value for name, value in (("step", step), ("rtype", rtype)) if value is not None}
    if not given or not isinstance(content, Mapping):
        return content
    rolling = content.get(ROLLING)
    return {
        **content,
        ROLLING: with_kwargs(rolling if isinstance(rolling, Mapping) else {}, {**kwargs_of(rolling), **given}),
    }


def _with_base(content: Mapping[str, object], path: Path) -> dict[str, object]:
    """A file laid over the one that it builds on."""
    if BASE_FILE not in content:
        return dict(content)
    written = Path(str(content[BASE_FILE]))
    found = next((one for one in (written, path.absolute().parent / written) if one.is_file()), None)
    if found is None:
        raise TemplateError(f"there is no file {written}.", "Name it from the folder of this file.", BASE_FILE)
    refuse_placeholders(found)
    base = read_yaml(found).content
    if not isinstance(base, Mapping):
        raise TemplateError(f"{found} is no workflow file.", "Name one with a task.", BASE_FILE)
    over = {name: value for name, value in content.items() if name != BASE_FILE}
    return _laid_over(_with_base(base, found), over)


def _laid_over(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    made = dict(base)
    for name, value in over.items():
        below = made.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = _laid_over(below, value)
        made[name] = value
    return made


def _add_folders(section: object, path: Path) -> None:
    """Folders of the user's modules. Only registered classes are imported from them."""
    if section is None:
        return
    if not isinstance(section, Mapping):
        raise TemplateError("it is no mapping.", "Write rel_path: [FOLDER] under it.", SYS)
    for key, base in (("path", Path()), ("rel_path", path.absolute().parent)):
        folders = section.get(key) or []
        for folder in [folders] if isinstance(folders, str) else folders if isinstance(folders, list) else []:
            add_app_dir(base / str(folder))


def _dataset(dataset: Mapping[str, object], whole: Mapping[str, object]) -> Component:
    """The dataset, which says in its keywords where its data are."""
    if QLIB_INIT not in whole:
        raise TemplateError("it does not say where the data are.", "Write provider_uri: FOLDER under it.", QLIB_INIT)
    options = whole[QLIB_INIT]
    if not isinstance(options, Mapping) or not options.get(PROVIDER):
        raise TemplateError("it names no data folder.", "Write provider_uri: FOLDER under it.", QLIB_INIT)
    kept = {name: value for name, value in options.items() if name not in OWN}
    return with_kwargs(dataset, {**kwargs_of(dataset), QLIB_INIT: {**kept, PROVIDER: _folder(options[PROVIDER])}})


def _folder(written: object) -> str:
    """The folder of the daily data, whole; Qlib's users may give one for each frequency."""
    key = f"{QLIB_INIT}.{PROVIDER}"
    if isinstance(written, Mapping) and list(written) == ["day"]:
        written = written["day"]
    if not isinstance(written, str) or ":/" in written:
        raise TemplateError(f"{written!r} is no folder of daily data.", "Name one folder of this machine.", key)
    try:
        return str(expanded(Path(written)).absolute())
    except ValueError as error:
        raise TemplateError(f"{written!r} cannot be a path: {error}.", "Write it out.", key) from None


def _records(records: object) -> object:
    """A list of records, each with its module, without what the worker gives."""
    found = [records] if isinstance(records, Mapping) else records
    return [_record(one) for one in found] if isinstance(found, list) else []


def _record(record: object) -> object:
    if not isinstance(record, Mapping):
        return record
    kwargs = {name: value for name, value in kwargs_of(record).items() if GIVEN.get(name) != str(value).strip()}
    return {MODULE: RECORDS, **record, KWARGS: kwargs}


def _rolling(rolling: object, dataset: object) -> dict[str, object]:
    """How it rolls; labels stay out of the test segment unless the file says something else."""
    if not isinstance(rolling, Mapping) or "step" not in kwargs_of(rolling):
        raise TemplateError("a workflow file does not say how it rolls.", f"Add it: {ROLL}.", ROLLING)
    kwargs = kwargs_of(rolling)
    ahead = [int(found) for text in _texts(dataset) for found in AHEAD.findall(text)] or [USUAL_AHEAD]
    return with_kwargs(rolling, {"trunc_days": max(ahead) + 1, **kwargs})


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _texts(item)
