"""The reference's recorder, run by ``recorder.py`` in the environment of pyqlib. Prints one JSON object at the end."""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import qlib
from qlib.workflow import R

ORDER = json.loads(sys.argv[1])
PARAMS = {f"param{n}": n for n in range(20)}
METRICS = {f"metric{n}": float(n) for n in range(20)}
MODEL = "tree=0 split_gain=1.5 threshold=0.25\n" * 2_000


def begin(uri, experiment):
    manager = {"class": "MLflowExpManager", "module_path": "qlib.workflow.expm"}
    Path(ORDER["folder"], "data").mkdir(exist_ok=True)
    kwargs = {"uri": uri, "default_exp_name": experiment}
    qlib.init(provider_uri=str(Path(ORDER["folder"], "data")), exp_manager={**manager, "kwargs": kwargs})


def runs():
    folder = Path(ORDER["folder"])
    frame = pd.read_parquet(folder / "pred.parquet")
    begin(f"sqlite:///{folder / 'reference.db'}", "reference")
    taken = []
    for number in range(ORDER["runs"] + 2):
        began = time.perf_counter()
        with R.start(experiment_name="reference"):
            R.log_params(**PARAMS)
            R.log_metrics(**METRICS)
            R.save_objects(**{"model.txt": MODEL, "pred.pkl": frame})
        if number > 1:  # the first ones make the store
            taken.append(time.perf_counter() - began)
    return {"seconds": taken}


def listing():
    begin(ORDER["uri"], ORDER["experiment"])
    began = time.perf_counter()
    recorders = R.list_recorders(experiment_name=ORDER["experiment"])
    for recorder in recorders.values():
        recorder.list_params()
        recorder.list_metrics()
    return {"seconds": time.perf_counter() - began, "found": len(recorders)}


print(json.dumps(runs() if ORDER["what"] == "runs" else listing()))
