"""Verbs for those who make tasks and work on them by hand: from create and fetch to commit, and run."""

from __future__ import annotations

import json
import sys
from dataclasses import replace as with_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, of, print_json, say
from rollq.cli.values import at_home, check_pool

if TYPE_CHECKING:
    from rollq.tasks.backend import Backend
    from rollq.tasks.config.settings import Settings
    from rollq.tasks.queue.prefetch import Claim

POOL = Annotated[str, typer.Option("--pool", help="The pool")]
FENCE = Annotated[int, typer.Option(help="The fence number that fetch gave")]
TASK = Annotated[str, typer.Argument(help="Task id")]


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in (create, replace, fetch, renew, commit, fail):
        app.command()(verb)
    app.command("give-back")(give_back)
    app.command("run")(run_pool)


def create(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(callback=at_home, help="JSON: a definition or a list of them; - for standard input")
    ],
    pool: POOL,
    priority: Annotated[int, typer.Option(help="Higher is sooner")] = 0,
    queue: Annotated[str, typer.Option(help="Who works on them")] = "default",
    held: Annotated[bool, typer.Option("--held", help="Keep them from being claimed until unhold")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Create nothing")] = False,
    step: Annotated[
        str | None, typer.Option("--step", help="Cut each definition into windows of so many sessions, or of 7d, 1M")
    ] = None,
    rtype: Annotated[
        str | None, typer.Option("--rtype", help="With --step: how train rolls: sliding, expanding")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Create those tasks that the pool does not have yet."""
    from rollq.tasks.client.manager import TaskManager
    from rollq.tasks.rolling.template_names import check_name

    check_name(pool, "--pool")
    check_name(queue, "--queue")
    content = _read(file)
    written = content if isinstance(content, list) else [content]
    definitions = [_check_mapping(one, f"definition {position}") for position, one in enumerate(written)]
    definitions = _rolled(definitions, of(context).settings(), step, rtype)
    with of(context).backend() as backend:
        manager = TaskManager(pool, backend)
        # Counted before and after: ids do not say which of them are new, as the id of a task is made of what it is.
        before = sum(manager.task_stat().values())
        ids = manager.create_task(definitions, dry_run=dry_run, priority=priority, queue=queue, held=held)
        new = sum(manager.task_stat().values()) - before
    if as_json:
        print_json({"pool": pool, "tasks": ids, "new": new, "dry_run": dry_run})
        return
    say(f"Pool {pool}: {len(ids)} tasks, {new} of them new." + (" Nothing was created." if dry_run else ""))


def replace(
    context: typer.Context,
    task: TASK,
    file: Annotated[Path, typer.Argument(callback=at_home, help="JSON: the new definition; - for standard input")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Put another definition in the place of a task; it is another task then, in the same rounds."""
    from rollq.tasks.client.manager import TaskManager

    definition = _check_mapping(_read(file), "the definition")
    with of(context).backend() as backend:
        old = backend.tasks.get(task)
        new = TaskManager(old.pool, backend).replace_task(old, definition)
    if as_json:
        print_json({"old": old.id, "new": new})
        return
    say(f"{new} is in the place of {old.id}.")


def fetch(
    context: typer.Context,
    pool: POOL,
    query: Annotated[str | None, typer.Option(help='JSON, such as {"filter.model.class": "LGBModel"}')] = None,
    status: Annotated[str, typer.Option(help="waiting or part_done")] = "waiting",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Take the best task; renew it before its lease is over. Leave with 3 if there is none."""
    from rollq.tasks.client.manager import TaskManager
    from rollq.tasks.errors import NotFound

    asked = None if query is None else _check_mapping(_parse(query, "--query"), "--query")
    with of(context).backend() as backend:
        check_pool(backend, pool)
        found = TaskManager(pool, backend).fetch_task(asked, status)
        seconds = backend.settings.lease_seconds
    if found is None:
        raise NotFound(f"No task of pool {pool!r} can be fetched now.", "Look with `rollq tasks list`.")
    if as_json:
        names = {"id": found.id, "fence": found.fence, "lease_seconds": seconds, "partial": found.partial}
        print_json({**names, "definition": found.definition})
        return
    say(f"{found.id} --fence {found.fence}: renew it within {seconds:g} s, then commit it")


def renew(context: typer.Context, task: TASK, fence: FENCE, as_json: Annotated[bool, JSON] = False) -> None:
    """Hold a fetched task for another lease."""
    with of(context).backend() as backend:
        backend.tasks.renew(_claim(backend, task, fence))
        _answer(as_json, "renewed", task)


def commit(
    context: typer.Context,
    task: TASK,
    fence: FENCE,
    file: Annotated[
        Path, typer.Option("--result", callback=at_home, help="JSON: the result, a mapping; - for standard input")
    ],
    part: Annotated[bool, typer.Option("--part", help="It is the result of the first of two phases")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Store the result of a fetched task."""
    result = _check_mapping(_read(file), "the result")
    with of(context).backend() as backend:
        claim = _claim(backend, task, fence)
        backend.tasks.commit(claim, result, part=part)
        backend.gather_notifier.notify_if_finished(claim.pool, claim.rounds)
        _answer(as_json, "committed", task)


def give_back(context: typer.Context, task: TASK, fence: FENCE, as_json: Annotated[bool, JSON] = False) -> None:
    """Give a fetched task back, untried (the reference's return_task)."""
    with of(context).backend() as backend:
        backend.tasks.release(_claim(backend, task, fence), "given back by hand")
        _answer(as_json, "given back", task)


def fail(
    context: typer.Context,
    task: TASK,
    fence: FENCE,
    message: Annotated[str, typer.Option(help="What went wrong")],
    permanent: Annotated[bool, typer.Option("--permanent", help="Trying again cannot help")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Say that the attempt at a fetched task failed: it is tried again later, or FAILED."""
    from rollq.tasks.queue.task import TaskError

    with of(context).backend() as backend:
        claim = _claim(backend, task, fence)
        state = backend.tasks.fail(claim, TaskError("ByHand", message, permanent=permanent))
        backend.gather_notifier.notify_if_finished(claim.pool, claim.rounds)
        _answer(as_json, f"failed; it is {state} now:", task)


def run_pool(
    context: typer.Context,
    pool: POOL,
    limit: Annotated[int, typer.Option(min=0, help="At most so many attempts; 0: until no task is left")] = 0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Train the tasks of a pool in this process, one after another, without Celery, until none can be claimed."""
    import os

    from rollq.service import THREADS

    # Before LightGBM and NumPy are imported: they read these variables once.
    os.environ.update(THREADS)
    from rollq.tasks.ingredients.code_check import refuse_if_stale
    from rollq.workers.jobs.attempt import Outcome, WorkerContext, refuse_outage, run_one
    from rollq.workers.process.names import worker_name

    outcomes: list[str] = []
    with of(context).backend() as backend:
        check_pool(backend, pool)
        # All queues of the pool: a person who names a pool means all of it, whatever its workers serve.
        process = WorkerContext(worker_name(os.getpid()), backend.tasks.queues(pool))
        while not limit or len(outcomes) < limit:
            outcome = run_one(backend, pool, None, process)
            refuse_if_stale()
            refuse_outage(outcome)
            if outcome is Outcome.NOTHING:
                break
            outcomes.append(outcome)
    counts = {str(kind): outcomes.count(kind) for kind in Outcome if outcomes.count(kind)}
    if as_json:
        print_json({"pool": pool, "attempts": len(outcomes), **counts})
        return
    say(f"{len(outcomes)} attempts: " + (", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"))


def _claim(backend: Backend, task: str, fence: int) -> Claim:
    from rollq.tasks.queue.prefetch import claim_on

    # The claim is built from the task as it is now, but with the fence that the person was given: a later holder's is
    # refused.
    return with_(claim_on(backend.tasks.get(task)), fence=fence)


def _answer(as_json: bool, done: str, task: str) -> None:
    if as_json:
        print_json({"task": task, "done": done})
    else:
        say(f"{done} {task}")


def _rolled(
    definitions: list[dict[str, object]], settings: Settings, step: str | None, rtype: str | None
) -> list[dict[str, object]]:
    """The windows of some definitions, if they are to be cut."""
    from rollq.enqueueing import windows_of
    from rollq.tasks.errors import BadInput

    if step is None:
        if rtype is not None:
            raise BadInput("--rtype says how windows roll, and there are none.", "Give --step, too.")
        return definitions
    return [window for one in definitions for window in windows_of(one, settings, step, rtype)]


def _read(file: Path) -> object:
    from rollq.tasks.errors import BadInput

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}.", "Give a JSON file.") from None
    return _parse(text, str(file))


def _parse(text: str, name: str) -> object:
    from rollq.tasks.errors import BadInput

    try:
        # Of two equal keys Python keeps the last, and it reads NaN, which no JSON has: both are refused.
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is no JSON: {error}.", "Correct it.") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return made


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def _check_mapping(value: object, name: str) -> dict[str, object]:
    from rollq.tasks.errors import BadInput

    if not isinstance(value, dict):
        raise BadInput(f"{name} is no mapping.", 'Write {"name": value, ...}.')
    return value
