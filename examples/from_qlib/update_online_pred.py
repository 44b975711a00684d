"""Train one model, put it online, and bring its predictions up to the last day of the data.

python update_online_pred.py                       # all of it
python update_online_pred.py first_train
python update_online_pred.py update_online_pred    # once a day
"""

import sys
from copy import deepcopy

import rollq
from rollq import OnlineToolR, task_train
from tasks import LGB_TASK_CONFIG, PRICES

task = deepcopy(LGB_TASK_CONFIG)

task["record"] = {"class": "SignalRecord", "module_path": "rollq.workers.records.signal"}


class UpdatePredExample:
    """One experiment, with what of it is online."""

    def __init__(self, provider_uri=PRICES, region="us", experiment_name="online_srv", task_config=task):
        rollq.init(provider_uri=provider_uri, region=region)
        self.experiment_name = experiment_name
        self.online_tool = OnlineToolR(self.experiment_name)
        self.task_config = task_config

    def first_train(self):
        """Train, and put the model online."""
        rec = task_train(self.task_config, experiment_name=self.experiment_name)
        self.online_tool.reset_online_tag(rec)

    def update_online_pred(self):
        """Predict the days that have come since."""
        self.online_tool.update_online_pred()

    def main(self):
        """Both."""
        self.first_train()
        self.update_online_pred()


if __name__ == "__main__":
    getattr(UpdatePredExample(), *sys.argv[1:2] or ["main"])()
