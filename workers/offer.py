"""What a process of this worker offers to tasks: its share of the machine, unless the settings say otherwise."""

from __future__ import annotations

import os

from tasks.needs import Needs
from tasks.settings import Settings


def offer_of(settings: Settings) -> Needs:
    """Processors, GPUs and gigabytes of memory of one pool process."""
    cores = len(os.sched_getaffinity(0))
    processes = settings.concurrency or cores
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    # At least one processor: more processes than cores share them, which is slow but not wrong.
    cpu = settings.cpu or max(1.0, cores / processes)
    return Needs(cpu, settings.gpu, settings.mem_gb or memory_gb / processes)
