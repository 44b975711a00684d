"""Two models in rolling windows: tasks are generated, trained by hand or through a task pool, and collected.

With a task pool any number of processes may call `worker` and train along; so do workers of `rollq worker`.
"""

from pprint import pprint

import rollq
from rollq import (
    R,
    RecorderCollector,
    RollingGen,
    RollingGroup,
    TaskManager,
    TrainerR,
    TrainerRM,
    run_task,
    task_generator,
    task_train,
)
from tasks import PRICES, RECORD_LGB_TASK_CONFIG, RECORD_RIDGE_TASK_CONFIG


class RollingTaskExample:
    def __init__(
        self,
        provider_uri=PRICES,
        region="us",
        task_url=None,
        task_db_name="rolling_db",
        experiment_name="rolling_exp",
        task_pool=None,
        task_config=None,
        rolling_step=63,
        rolling_type=RollingGen.ROLL_SD,
    ):
        if task_config is None:
            task_config = [RECORD_RIDGE_TASK_CONFIG, RECORD_LGB_TASK_CONFIG]
        mongo_conf = {"task_url": task_url, "task_db_name": task_db_name}
        rollq.init(provider_uri=provider_uri, region=region, mongo=mongo_conf)
        self.experiment_name = experiment_name
        if task_pool is None:
            self.trainer = TrainerR(experiment_name=self.experiment_name)
        else:
            self.task_pool = task_pool
            self.trainer = TrainerRM(self.experiment_name, self.task_pool)
        self.task_config = task_config
        # The label looks two sessions ahead: so many are cut off before the test segment.
        self.rolling_gen = RollingGen(step=rolling_step, rtype=rolling_type, trunc_days=3)

    def reset(self):
        print("reset")
        if isinstance(self.trainer, TrainerRM):
            TaskManager(task_pool=self.task_pool).remove()
        exp = R.get_exp(experiment_name=self.experiment_name)
        for rid in exp.list_recorders():
            exp.delete_recorder(rid)

    def task_generating(self):
        print("generate the tasks")
        tasks = task_generator(tasks=self.task_config, generators=self.rolling_gen)
        pprint(tasks)
        return tasks

    def task_training(self, tasks):
        print("train them")
        self.trainer.train(tasks)

    def worker(self):
        # Only with a task pool; `TrainerRM.worker` does the same.
        print("worker")
        run_task(task_train, self.task_pool, experiment_name=self.experiment_name)

    def task_collecting(self):
        print("collect the predictions")

        def rec_key(recorder):
            task_config = recorder.load_object("task")
            model_key = task_config["model"]["class"]
            rolling_key = task_config["dataset"]["kwargs"]["segments"]["test"]
            return model_key, rolling_key

        def my_filter(recorder):
            model_key, rolling_key = rec_key(recorder)
            if model_key == "LGBModel":
                return True
            return False

        collector = RecorderCollector(
            experiment=self.experiment_name,
            process_list=RollingGroup(),
            rec_key_func=rec_key,
            rec_filter_func=my_filter,
        )
        print(collector())

    def main(self):
        self.reset()
        tasks = self.task_generating()
        self.task_training(tasks)
        self.task_collecting()


if __name__ == "__main__":
    RollingTaskExample().main()
