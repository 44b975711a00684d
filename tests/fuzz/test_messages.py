"""Messages that nobody should send, to the gate and through the broker to a real worker: refused; the work goes on."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollq import Backend, TaskState
from rollq.scheduler.rounds import coordinator
from rollq.tasks.broker.celery_app import queue_name
from rollq.tasks.broker.messages import GATHER, TRAIN, clean, new_message
from rollq.tasks.errors import MessageRefused
from rollq.workers.process.app import WorkerLife
from tests.acceptance.processes.worker_processes import wait_until
from tests.chaos.job import definition
from tests.chaos.scene import LiveWorker
from tests.fuzz.junk import CASES, SEED, deep, junk, mutated
from tests.fuzz.short_worker import short_worker

LOG = "fuzz.log"
TASK_ID, ROUND_ID = "0" * 24, "0" * 12
REFUSED = "A message was refused: "
HARMFUL_HEADERS: tuple[dict[str, Any], ...] = (
    {"timelimit": [0.001, 0.001]},  # Celery kills the process
    {"eta": "2999-01-01T00:00:00+00:00"},  # Celery keeps it in memory
    {"expires": "garbage"},
    {"compression": "application/x-bz2"},
    {"retries": -1, "root_id": {}, "shadow": ["x"]},
    {"id": {"$ne": 1}, "ignore_result": "no", "replaced_task_nesting": "x"},
)


def valid(chance: random.Random) -> dict[str, Any]:
    name, args = chance.choice([(TRAIN, ("pool", TASK_ID)), (GATHER, (ROUND_ID,))])
    return new_message(name, args, queue_name("default"))


def with_body(message: dict[str, Any], body: Any) -> dict[str, Any]:
    return {**message, "body": base64.b64encode(json.dumps(body).encode()).decode()}


def wrong(chance: random.Random) -> Any:
    """A valid message with something wrong: in its envelope, its headers, its body, or all over."""
    message = valid(chance)
    body = json.loads(base64.b64decode(message["body"]))
    kind = chance.randrange(7)
    if kind == 0:
        return mutated(message, chance)
    if kind == 1:
        return with_body(message, mutated(body, chance))
    if kind == 2:
        return with_body(message, [[junk(chance) for _ in range(chance.randrange(4))], *body[1:]])
    if kind == 3:
        message["headers"].update(chance.choice(HARMFUL_HEADERS))
        return message
    if kind == 4:
        types = ["application/x-python-serialize", "application/x-yaml", "text/plain", None, 7]
        return {
            **message,
            "content-type": chance.choice(types),
            "content-encoding": chance.choice(["binary", "x", None]),
        }
    if kind == 5:
        message["headers"]["task"] = chance.choice(["os.system", "celery.chord", "", None, [TRAIN], "rollq.Train"])
        return message
    callbacks = {
        "callbacks": [{"task": "os.system", "args": ["x"]}],
        "errbacks": junk(chance),
        "chain": [{}],
        "chord": 1,
    }
    return with_body(message, [body[0], {}, callbacks])


def raw(chance: random.Random) -> bytes:
    """An entry of the Redis list."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        text = bytearray(json.dumps(valid(chance)).encode())
        for _ in range(chance.randint(1, 5)):
            text[chance.randrange(len(text))] = chance.randrange(256)
        return bytes(text)
    if kind == 2:
        text = json.dumps(valid(chance)).encode()
        return text[: chance.randrange(len(text))]
    if kind == 3:
        odd = [b"", b"null", b"[" * 100_000, b'{"a":' * 5_000, b"NaN", b"\xff\xfe", b"\x80\x04}\x94.", b"1" * 5_000]
        return chance.choice([*odd, json.dumps(deep(500)).encode(), b'{"__type__": "datetime", "__value__": 1}'])
    return json.dumps(wrong(chance)).encode()


def is_accepted(message: Any) -> bool:
    """Whether the gate lets a message pass; then it must be one of ours, made anew."""
    try:
        made = clean(message, "queue")
    except MessageRefused as error:
        refusal = str(error)
        made = None
    if made is None:
        assert refusal.startswith(REFUSED)
        assert len(refusal) < 500
        return False
    name = made["headers"]["task"]
    args, kwargs, embed = json.loads(base64.b64decode(made["body"]))
    assert (name, len(args)) in ((TRAIN, 2), (GATHER, 1))
    assert all(isinstance(arg, str) for arg in args)
    assert kwargs == {}
    assert set(embed.values()) == {None}
    assert set(made["headers"]) == {"lang", "task", "id", "root_id", "parent_id", "group"}
    return True


def test_the_gate_lets_nothing_pass_but_what_rollq_says() -> None:
    chance = random.Random(SEED)
    assert is_accepted(valid(chance))
    accepted = [is_accepted(wrong(chance)) for _ in range(CASES["messages at the gate, mutated"])]
    assert 0.02 < sum(accepted) / len(accepted) < 0.6  # harmless changes and stripped headers pass, the rest does not


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    envelope=JSON | st.fixed_dictionaries({}, optional={"headers": JSON, "body": JSON, "content-type": JSON}),
    args=JSON,
    name=st.sampled_from([TRAIN, GATHER]) | st.text(),
)
@settings(
    max_examples=CASES["messages at the gate, generated"] // 2,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_gate_stands_whatever_comes(envelope: Any, args: Any, name: str) -> None:
    is_accepted(envelope)
    message = valid(random.Random(0))
    message["headers"]["task"] = name
    is_accepted(with_body(message, [args, {}, {}]))


def test_the_two_tasks_raise_nothing_whatever_their_arguments(backend: Backend) -> None:
    chance = random.Random(SEED)
    life, app = WorkerLife(backend), Celery(set_as_current=False)
    coordinator.register(app, backend, "w")
    app.finalize()
    odd = [TASK_ID, ROUND_ID, "pool", "\ud800", b"x", deep(50), object()]
    for _ in range(CASES["arguments of the two tasks"]):
        first, second = (chance.choice([*odd, junk(chance), junk(chance)]) for _ in range(2))
        life.train(first, second)
        app.tasks[GATHER](first)
    assert backend.tasks.pools() == []


@pytest.fixture
def live_worker(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveWorker]:
    """A real worker with two processes and short work, which stops when it is told to."""
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    with short_worker(backend, LOG) as found:
        yield found


def done_soon(backend: Backend, pool: str) -> None:
    """The worker still does what it is there for."""
    backend.tasks.create_tasks(pool, [definition(number, 0.0) for number in range(20)])
    backend.notifier.top_up(pool)
    wait_until(lambda: backend.tasks.stat(pool)[TaskState.DONE] == 20, 30)


def test_a_worker_survives_thousands_of_wrong_messages(backend: Backend, live_worker: LiveWorker) -> None:
    chance = random.Random(SEED)
    done_soon(backend, "before")
    pids = live_worker.everyone()
    assert len(pids) == 3
    entries = [raw(chance) for _ in range(CASES["messages through the broker"])]
    with redis.Redis.from_url(backend.settings.redis_url) as client:
        for at in range(0, len(entries), 500):
            client.lpush(queue_name("default"), *entries[at : at + 450])
            client.lpush(GATHER, *entries[at + 450 : at + 500])
        wait_until(lambda: not client.llen(queue_name("default")) and not client.llen(GATHER), 60)
        time.sleep(1.0)
        assert client.hlen("unacked") == 0  # none is kept to be delivered again
    done_soon(backend, "after")
    assert live_worker.everyone() == pids
    log = (backend.settings.state_dir / LOG).read_text(errors="replace")
    assert log.count(REFUSED) > len(entries) / 2
    assert "Traceback" not in log


def test_the_cases_are_ten_thousand() -> None:
    assert sum(CASES.values()) >= 10_000
