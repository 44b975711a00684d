"""Any order of events, on every store: the state machine of ``machine.py``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from rollq import Backend
from tests.conformance.machine import machine
from tests.conformance.stores import StoreServer

EXAMPLES = {"native": 40, "python": 12, "mongodb": 40}


def test_any_order_of_events(backend: Backend, server: StoreServer) -> None:
    run_state_machine_as_test(
        machine(backend),
        settings=settings(
            max_examples=EXAMPLES[server.variant],
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=[Phase.generate, Phase.shrink],
            derandomize=bool(os.environ.get("CI")),  # elsewhere every run looks at other orders
        ),
    )
