"""What the reference's own trainer makes of tasks: run as a program of its own, because Qlib is set up for a process.

Reads ``{provider_uri, tasks}`` from a JSON file and writes the predictions of each task beside it.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import qlib
from qlib.model.trainer import task_train


def main(path: Path) -> None:
    asked = json.loads(path.read_text(encoding="utf-8"))
    uri = f"sqlite:///{path.parent / 'reference.db'}"
    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": uri, "default_exp_name": "reference"},
    }
    qlib.init(provider_uri=asked["provider_uri"], region="cn", kernels=1, exp_manager=manager)
    for number, task in enumerate(asked["tasks"]):
        np.random.seed(0)
        if find_spec("torch") is not None:
            _begin_torch()
        recorder = task_train(task, experiment_name="reference")
        recorder.load_object("pred.pkl").to_parquet(path.parent / f"pred{number}.parquet")


def _begin_torch() -> None:
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)  # as in a worker


if __name__ == "__main__":
    main(Path(sys.argv[1]))
