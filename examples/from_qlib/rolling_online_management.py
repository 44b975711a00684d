"""Qlib's `examples/online_srv/rolling_online_management.py` on rollq: strategies are kept online day by day.

    python rolling_online_management.py

The first run trains the models of every strategy up to the last session; a routine brings them up to date, every day.
A strategy that is added later is trained at once, and takes part from then on.
"""

import os

import rollq
from rollq import DelayTrainerRM, OnlineManager, R, RollingGen, RollingStrategy, TaskManager, TrainerRM
from tasks import PRICES, RECORD_LGB_TASK_CONFIG, RECORD_RIDGE_TASK_CONFIG


class RollingOnlineExample:
    """One strategy for each model."""

    def __init__(
        self,
        provider_uri=PRICES,
        region="us",
        trainer=DelayTrainerRM(),
        task_url=None,
        task_db_name="rolling_db",
        rolling_step=550,
        tasks=None,
        add_tasks=None,
    ):
        if add_tasks is None:
            add_tasks = [RECORD_LGB_TASK_CONFIG]
        if tasks is None:
            tasks = [RECORD_RIDGE_TASK_CONFIG]
        mongo_conf = {"task_url": task_url, "task_db_name": task_db_name} if task_url else None
        rollq.init(provider_uri=provider_uri, region=region, mongo=mongo_conf)
        self.tasks = tasks
        self.add_tasks = add_tasks
        self.rolling_step = rolling_step
        strategies = []
        for task in tasks:
            name_id = task["model"]["class"]
            strategies.append(
                RollingStrategy(
                    name_id,
                    task,
                    RollingGen(step=rolling_step, rtype=RollingGen.ROLL_SD, trunc_days=3),
                )
            )
        self.trainer = trainer
        self.rolling_online_manager = OnlineManager(strategies, trainer=self.trainer)

    _ROLLING_MANAGER_PATH = ".RollingOnlineExample"  # names the manager; its state is in the store

    def worker(self):
        """Help to train; in another process, with the same servers."""
        print("worker")
        if isinstance(self.trainer, TrainerRM):
            for task in self.tasks + self.add_tasks:
                name_id = task["model"]["class"]
                self.trainer.worker(experiment_name=name_id)
        else:
            print(f"{type(self.trainer)} trains in its own process.")

    def reset(self):
        """Remove what an earlier run has left: what was online, its tasks, its runs, the file."""
        self.rolling_online_manager.reset(live=True)
        for task in self.tasks + self.add_tasks:
            name_id = task["model"]["class"]
            TaskManager(task_pool=name_id).remove()
            exp = R.get_exp(experiment_name=name_id)
            for rid in exp.list_recorders():
                exp.delete_recorder(rid)
        if os.path.exists(self._ROLLING_MANAGER_PATH):
            os.remove(self._ROLLING_MANAGER_PATH)

    def first_run(self):
        """Train the first models of every strategy."""
        print("reset")
        self.reset()
        print("first run")
        self.rolling_online_manager.first_train()
        print("predictions")
        print(self.rolling_online_manager.get_collector()())
        print("dump")
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)

    def routine(self):
        """Bring every strategy up to the last session."""
        print("load")
        self.rolling_online_manager = OnlineManager.load(self._ROLLING_MANAGER_PATH)
        print("routine")
        self.rolling_online_manager.routine()
        print("predictions")
        print(self.rolling_online_manager.get_collector()())
        print("signals")
        print(self.rolling_online_manager.get_signals())
        print("dump")
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)

    def add_strategy(self):
        """Keep more strategies online."""
        print("load")
        self.rolling_online_manager = OnlineManager.load(self._ROLLING_MANAGER_PATH)
        print("add strategies")
        strategies = []
        for task in self.add_tasks:
            name_id = task["model"]["class"]
            strategies.append(
                RollingStrategy(
                    name_id,
                    task,
                    RollingGen(step=self.rolling_step, rtype=RollingGen.ROLL_SD, trunc_days=3),
                )
            )
        self.rolling_online_manager.add_strategy(strategies=strategies)
        print("dump")
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)

    def main(self):
        """One after the other: train, a routine, another strategy, a routine."""
        self.first_run()
        self.routine()
        self.add_strategy()
        self.routine()


if __name__ == "__main__":
    RollingOnlineExample().main()
