"""The tasks of the scripts beside this file, as `qlib.tests.config` has them: of rollq's models on the bundled prices.

Twenty stocks and small models: a window trains in a fraction of a second.
"""

from pathlib import Path

PRICES = str(Path(__file__).resolve().parent.parent / "sp500" / "prices_small.parquet")

LGB_MODEL = {
    "class": "LGBModel",
    "module_path": "rollq.workers.models.lightgbm",
    "kwargs": {"loss": "mse", "num_boost_round": 10, "learning_rate": 0.1, "num_leaves": 8, "min_data_in_leaf": 20},
}
RIDGE_MODEL = {"class": "RidgeModel", "module_path": "rollq.workers.models.ridge", "kwargs": {"alpha": 1.0}}
DATASET = {
    "class": "PanelDataset",
    "module_path": "rollq.workers.datasets.panel",
    "kwargs": {
        "path": PRICES,
        "features": [{"op": "momentum", "windows": [1, 5, 20]}, {"op": "volatility", "windows": [5, 20]}],
        "label": {"op": "forward_return", "horizon": 1, "start": 1},  # of tomorrow's close to the close after it
        "normalize": "rank",
        "segments": {
            "train": ("2016-01-04", "2016-12-30"),
            "valid": ("2017-01-03", "2017-03-31"),
            "test": ("2017-04-03", "2017-09-29"),
        },
    },
}
RECORD = [
    {"class": "SignalRecord", "module_path": "rollq.workers.records.signal"},
    {"class": "SignalAnalysisRecord", "module_path": "rollq.workers.records.analysis"},
]

LGB_TASK_CONFIG = {"model": LGB_MODEL, "dataset": DATASET}
RIDGE_TASK_CONFIG = {"model": RIDGE_MODEL, "dataset": DATASET}
RECORD_LGB_TASK_CONFIG = {**LGB_TASK_CONFIG, "record": RECORD}
RECORD_RIDGE_TASK_CONFIG = {**RIDGE_TASK_CONFIG, "record": RECORD}
