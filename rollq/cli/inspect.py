"""Verbs that look at the machine and the queue: status, workers, doctor."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from rollq.cli.arguments import say_failures
from rollq.cli.context import JSON, metrics_line, of, print_json, print_table, say

if TYPE_CHECKING:
    from datetime import datetime

    from rollq.tasks.backend import Backend


SHOWN = 3  # models of a round that are named


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(status)
    app.command()(workers)
    app.command()(doctor)


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Again every second, until Ctrl-C")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show how many tasks of each pool are in which state, and the rounds."""
    with of(context).backend() as backend:
        while True:
            found = _status(backend)
            if as_json:
                print_json(found, None if watch else 1)  # JSON Lines
                sys.stdout.flush()
            else:
                if watch:
                    say("\x1b[2J\x1b[H")  # clear the screen, cursor home
                _show_status(found)
            if not watch:
                return
            time.sleep(1.0)


class RoundLine(TypedDict):
    """A round in one line."""

    id: str
    name: str
    pool: str
    status: str
    tasks: int
    reason: str
    research: bool
    members: list[str]
    metrics: dict[str, float]
    better: dict[str, str]


class Status(TypedDict):
    """The JSON object of ``rollq status --json``: numbers of tasks by pool and state, rounds, what has failed, and
    what waits for a worker that is not there.
    """

    pools: dict[str, dict[str, int]]
    rounds: list[RoundLine]
    failures: list[dict[str, str]]
    unserved: list[str]


def _status(backend: Backend) -> Status:
    """Pools, rounds and failures, JSON-able, as ``--json`` prints them."""
    from rollq.scheduler.champions.research import is_research
    from rollq.scheduler.failures import failures
    from rollq.scheduler.rounds.findings import name_of
    from rollq.tasks.client.unserved import unserved

    pools = {pool: {str(s): n for s, n in backend.tasks.stat(pool).items()} for pool in backend.tasks.pools()}
    rounds: list[RoundLine] = [
        {
            "id": r.id,
            "name": name_of(r),
            "pool": r.pool,
            "status": str(r.status),
            "tasks": len(r.task_ids),
            "reason": r.reason,
            "research": is_research(r),
            "members": list(r.purpose.members),
            "metrics": (r.result or {}).get("metrics", {}),
            "better": (r.result or {}).get("better", {}),
        }
        for r in backend.rounds.find()
    ]
    return {
        "pools": pools,
        "rounds": rounds,
        "failures": [one.to_dict() for one in failures(backend)],
        "unserved": [str(one) for one in unserved(backend)],
    }


def _show_status(found: Status) -> None:
    """The same for a person, read from the JSON value: the two never differ."""
    from rollq.scheduler.failures import Failure

    if not found["pools"]:
        say("There is no pool yet. `rollq enqueue TEMPLATE` makes one.")
        return
    states = list(next(iter(found["pools"].values())))
    rows = [[pool, *(counts[state] or "" for state in states)] for pool, counts in found["pools"].items()]
    print_table("Pools", ["pool", *(state.lower().replace("_", " ") for state in states)], rows)
    rows = [
        [
            r["name"],
            r["id"],
            r["pool"],
            "research" if r["research"] else "",
            r["status"],
            r["tasks"],
            _some(r["members"]),
            r["reason"],
        ]
        for r in found["rounds"]
    ]
    print_table(
        "Rounds", ["name", "round", "pool", "for", "status", "tasks", "models that serve together", "reason"], rows
    )
    measured = [[r["name"], r["id"], metrics_line(r["metrics"], r["better"])] for r in found["rounds"] if r["metrics"]]
    if measured:
        print_table("Metrics", ["name", "round", "over all of its windows"], measured)
    for line in found["unserved"]:
        say(line)
    say_failures([Failure(**one) for one in found["failures"]])


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def workers(context: typer.Context, as_json: Annotated[bool, JSON] = False) -> None:
    """Show the workers of the last day: what they serve, what they have available, and when they were seen last."""
    with of(context).backend() as backend:
        found = backend.worker_registry.workers()
        now = backend.tasks.now()
    if as_json:
        print_json([worker.to_dict() for worker in found])
        return
    rows = [
        [w.name, "yes" if w.alive else "no", w.processes, ", ".join(w.queues), w.available, _ago(w.started_at, now),
         _ago(w.seen_at, now), w.restarts or ""]
        for w in found
    ]  # fmt: skip
    names = ["worker", "alive", "processes", "queues", "available to each", "started", "seen", "restarts"]
    print_table(f"{sum(worker.alive for worker in found)} live workers", names, rows)


def _ago(at: datetime, now: datetime) -> str:
    seconds = max((now - at).total_seconds(), 0)
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"


def doctor(
    context: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what workers would repair by themselves")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Check this machine, the servers and the work; every failing line says how to repair it."""
    from rollq.health.doctor import run_checks

    checks = run_checks(of(context).settings(), repair)
    if as_json:
        print_json([check.to_dict() for check in checks])
    else:
        for check in checks:
            say(f"{'ok  ' if check.ok else 'FAIL'} {check.name:10} {check.detail}")
            if not check.ok:
                say(f"     {'':10} Fix: {check.fix}")
    if not all(check.ok for check in checks):
        raise typer.Exit(4)
