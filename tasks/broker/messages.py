"""What a message may say. The broker is open to many hands: whatever else lies there is refused before Celery sees it.

A message is not repaired but made anew from its two facts, the task's name and its arguments. Celery would act on much
more: a time limit in a header kills a process, a date in one piles messages up, a callback sends others.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from rollq.tasks.errors import MessageRefused
from rollq.tasks.labels import LABEL, shown

TRAIN = "rollq.train"
GATHER = "rollq.gather"
RECONCILE = "rollq.reconcile"
ROUTINE = "rollq.routine"
BODY_CHARS = 4_096  # of the body as it is sent; ours have about 200
# As ids are made in `tasks/identity.py` and `tasks/rounds/rounds.py`.
TASK_ID, ROUND_ID = r"[0-9a-f]{24}", r"[0-9a-f]{12}"
SESSION = r"\d{4}-\d{2}-\d{2}"
ARGUMENTS = {
    TRAIN: (("pool", LABEL), ("task id", TASK_ID)),
    GATHER: (("round id", ROUND_ID),),
    RECONCILE: (),
    ROUTINE: (("strategy", LABEL), ("session", SESSION)),
}


def check_arguments(name: Any, args: Any) -> tuple[str, ...]:
    """The arguments of a message to the task ``name``.

    Raises:
        MessageRefused: there is no such task, or an argument is not of its form.
    """
    wanted = ARGUMENTS.get(name) if isinstance(name, str) else None
    if wanted is None:
        raise _refused(f"there is no task {shown(name)}")
    if not isinstance(args, list | tuple) or len(args) != len(wanted):
        raise _refused(f"{name} takes {len(wanted)} arguments, not {shown(args)}")
    for (what, form), value in zip(wanted, args, strict=True):
        # Names go into queries; a mapping in the place of one would be an operator of MongoDB.
        if not isinstance(value, str) or not re.fullmatch(form, value):
            raise _refused(f"{shown(value)} is no {what}")
    return tuple(args)


def clean(message: Any, queue: str) -> dict[str, Any]:
    """The message that came from ``queue``, made anew for Celery.

    Raises:
        MessageRefused: it is not one of rollq's.
    """
    headers = message.get("headers") if isinstance(message, Mapping) else None
    if not isinstance(headers, Mapping):
        raise _refused(f"{shown(message)} has no headers")
    if message.get("content-type") != "application/json":
        raise _refused(f"its content type is {shown(message.get('content-type'))}, not application/json")
    name = headers.get("task")
    return new_message(str(name), check_arguments(name, _arguments(message.get("body"))), queue)


def new_message(name: str, args: tuple[str, ...], queue: str) -> dict[str, Any]:
    """A message as it lies in the broker (Celery's protocol 2)."""
    ident = str(uuid4())
    body = json.dumps([list(args), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": name, "id": ident, "root_id": ident, "parent_id": None, "group": None},
        "properties": {
            "correlation_id": ident,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": queue, "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


def _arguments(body: Any) -> Any:
    """The positional arguments in a body, which is base64 of the JSON ``[args, kwargs, embed]``."""
    # Measured before it is decoded: a body of a gigabyte must not be parsed to be refused.
    if not isinstance(body, str) or len(body) > BODY_CHARS:
        raise _refused(f"its body is no text of at most {BODY_CHARS} characters")
    try:
        content = json.loads(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _refused(f"its body is no JSON in base64 ({error})") from None
    if not isinstance(content, list) or len(content) != 3 or content[1] != {}:
        raise _refused(f"its body is not [args, {{}}, embed] but {shown(content)}")
    return content[0]


def _refused(why: str) -> MessageRefused:
    return MessageRefused(
        f"A message was refused: {why}.", "Nothing is lost: a sweep notifies of every task that waits."
    )
