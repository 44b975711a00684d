"""MLflow's own description of a model folder, so that ``mlflow.pyfunc.load_model`` can load it without rollq.

Written by hand rather than by ``mlflow.lightgbm.save_model``, which adds a time and a random id: a folder of the same
model must have the same bytes. Form: MLflow's documentation, "MLflow Model format".
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import yaml

LIGHTGBM = "lightgbm"


def write_lightgbm(folder: Path, data: str) -> None:
    """Describe the Booster whose text is the file ``data`` of ``folder``."""
    description = {
        "flavors": {
            LIGHTGBM: {
                "code": None,
                "data": data,
                "lgb_version": version(LIGHTGBM),
                "model_class": "lightgbm.basic.Booster",
            },
            "python_function": {
                "data": data,
                "env": {"virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.lightgbm",
                "python_version": platform.python_version(),
            },
        },
        "mlflow_version": version("mlflow-skinny"),
    }
    requirements = "".join(f"{name}=={version(name)}\n" for name in (LIGHTGBM, "numpy", "pandas"))
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (folder / "MLmodel").write_text(yaml.safe_dump(description), encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment), encoding="utf-8")
