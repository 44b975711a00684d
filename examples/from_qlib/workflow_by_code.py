"""One model by hand: its objects from their configuration, a run, predictions, and how good they are."""

import rollq
from rollq import R, SigAnaRecord, SignalRecord, flatten_dict, init_instance_by_config
from tasks import LGB_TASK_CONFIG, PRICES

if __name__ == "__main__":
    provider_uri = PRICES
    rollq.init(provider_uri=provider_uri, region="us")

    model = init_instance_by_config(LGB_TASK_CONFIG["model"])
    dataset = init_instance_by_config(LGB_TASK_CONFIG["dataset"])

    # A dataset can be looked at by itself.
    example_df = dataset.prepare("train")
    print(example_df.head())

    with R.start(experiment_name="workflow"):
        R.log_params(**flatten_dict(LGB_TASK_CONFIG))
        model.fit(dataset)
        R.save_objects(**{"params.pkl": model})

        recorder = R.get_recorder()
        sr = SignalRecord(model, dataset, recorder)
        sr.generate()

        # Information coefficients by day, and their means.
        sar = SigAnaRecord(recorder)
        sar.generate()
