"""A multilayer perceptron of PyTorch as a model of one's own; on a GPU where the worker has one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rollq import Model

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Perceptron(Model):
    def __init__(self, hidden: int = 64, epochs: int = 10, rate: float = 1e-3, batch: int = 4096, seed: int = 7):
        self.kwargs = {"hidden": hidden, "epochs": epochs, "rate": rate, "batch": batch, "seed": seed}
        self.evals = {"train_loss": []}  # what is in here becomes curves of the run

    def layers(self, features):
        hidden, relu = self.kwargs["hidden"], torch.nn.ReLU()
        middle = [torch.nn.Linear(features, hidden), relu, torch.nn.Linear(hidden, hidden), relu]
        return torch.nn.Sequential(*middle, torch.nn.Linear(hidden, 1)).to(DEVICE)

    def fit(self, dataset, *, checkpoint=None):
        features, label = dataset.prepare("train"), dataset.prepare("train", "label").iloc[:, 0].dropna()
        x, y = tensor(features.loc[label.index]), tensor(label)  # the last labels may not be known yet
        torch.manual_seed(self.kwargs["seed"])  # the same task gives the same model
        self.names, self.network = [str(name) for name in features], self.layers(x.shape[1])
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.kwargs["rate"])
        for _ in range(self.kwargs["epochs"]):
            for rows in torch.randperm(len(x)).to(DEVICE).split(self.kwargs["batch"]):
                loss = torch.nn.functional.mse_loss(self.network(x[rows])[:, 0], y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                checkpoint and checkpoint()  # a cancelled task, or one over its time limit, ends here
            self.evals["train_loss"].append(loss.item())

    def predict(self, dataset, segment="test"):
        features = dataset.prepare(segment)[self.names]
        scores = self.network(tensor(features))[:, 0].detach().cpu().numpy()
        return pd.Series(scores.astype("float64"), index=features.index, name="score")

    def save(self, folder: Path):
        torch.save(self.network.state_dict(), folder / "weights.pt")
        (folder / "model.json").write_text(json.dumps({"kwargs": self.kwargs, "names": self.names}))

    @classmethod
    def load(cls, folder: Path):
        saved = json.loads((folder / "model.json").read_text())
        model = cls(**saved["kwargs"])
        model.names, model.network = saved["names"], model.layers(len(saved["names"]))
        # Weights alone: nothing of the file is run.
        model.network.load_state_dict(torch.load(folder / "weights.pt", map_location=DEVICE, weights_only=True))
        return model


def tensor(values):
    return torch.tensor(np.nan_to_num(values.to_numpy("float32")), device=DEVICE)  # 0: the middle of a day's ranks
