"""Qlib's `examples/online_srv/online_management_simulate.py` on rollq: a strategy is lived through in the past.

    python online_management_simulate.py

The tasks of two models roll together. The manager walks the sessions from the first to the last, decides on each which
models are online, and makes the signals of all of them. With `trainer="TrainerRM"` other processes may help: start
them with `worker`.
"""

import rollq
from rollq import OnlineManager, R, RollingGen, RollingStrategy, TaskManager, TrainerR, TrainerRM
from tasks import PRICES, RECORD_LGB_TASK_CONFIG, RECORD_RIDGE_TASK_CONFIG


class OnlineSimulationExample:
    """One strategy of two models, simulated."""

    def __init__(
        self,
        provider_uri=PRICES,
        region="us",
        exp_name="rolling_exp",
        task_url=None,
        task_db_name="rolling_db",
        task_pool="rolling_task",
        rolling_step=20,
        start_time="2017-07-01",
        end_time="2017-09-29",
        tasks=None,
        trainer="TrainerR",
    ):
        if tasks is None:
            tasks = [RECORD_RIDGE_TASK_CONFIG, RECORD_LGB_TASK_CONFIG]
        self.exp_name = exp_name
        self.task_pool = task_pool
        self.start_time = start_time
        self.end_time = end_time
        mongo_conf = {"task_url": task_url, "task_db_name": task_db_name} if task_url else None
        rollq.init(provider_uri=provider_uri, region=region, mongo=mongo_conf)
        # The label looks two sessions ahead: so many are cut off before the test segment.
        self.rolling_gen = RollingGen(step=rolling_step, rtype=RollingGen.ROLL_SD, ds_extra_mod_func=None, trunc_days=3)
        if trainer == "TrainerRM":
            self.trainer = TrainerRM(self.exp_name, self.task_pool)
        elif trainer == "TrainerR":
            self.trainer = TrainerR(self.exp_name)
        else:
            raise NotImplementedError(f"There is no trainer {trainer}.")
        self.rolling_online_manager = OnlineManager(
            RollingStrategy(exp_name, task_template=tasks, rolling_gen=self.rolling_gen),
            trainer=self.trainer,
            begin_time=self.start_time,
        )
        self.tasks = tasks

    def reset(self):
        """Remove what an earlier simulation has left: what was online, its tasks, its runs."""
        self.rolling_online_manager.reset()
        if isinstance(self.trainer, TrainerRM):
            TaskManager(self.task_pool).remove()
        exp = R.get_exp(experiment_name=self.exp_name)
        for rid in exp.list_recorders():
            exp.delete_recorder(rid)

    def main(self):
        """Simulate, and show what came of it."""
        print("reset")
        self.reset()
        print("simulate")
        self.rolling_online_manager.simulate(end_time=self.end_time)
        print("predictions of the models that were online")
        print(self.rolling_online_manager.get_collector()())
        print("signals")
        signals = self.rolling_online_manager.get_signals()
        print(signals)

    def worker(self):
        """Help to train; in another process, with the same servers."""
        print("worker")
        if isinstance(self.trainer, TrainerRM):
            self.trainer.worker()
        else:
            print(f"{type(self.trainer)} trains in its own process.")


if __name__ == "__main__":
    OnlineSimulationExample().main()
