"""The available resources of a worker process: its share of the machine, unless the settings say otherwise."""

from __future__ import annotations

from rollq.tasks.config.settings import Settings
from rollq.tasks.resources import Resources
from rollq.workers.process.machine import this_machine


def available_resources(settings: Settings) -> Resources:
    """Processors, GPUs and gigabytes of memory of one pool process."""
    machine = this_machine()
    processes = settings.concurrency or machine.cores
    # At least one processor: more processes than cores share them, which is slow but not wrong.
    cpu = settings.cpu or max(1.0, machine.processors / processes)
    return Resources(cpu, settings.gpu, settings.mem_gb or machine.memory_bytes / 1e9 / processes)
