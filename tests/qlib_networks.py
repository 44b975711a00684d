"""Models of Qlib that need PyTorch, which only ``make qlib-torch`` has: small, with the data of their own files."""

from __future__ import annotations

from typing import Any

FEATURES = ["RESI5", "WVMA5", "RSQR5", "KLEN", "RSQR10", "CORR5"]
STEP_LEN = len(FEATURES)  # the convolutional model takes one for the other
FILTER = {"class": "FilterCol", "kwargs": {"fields_group": "feature", "col_list": FEATURES}}
SCALED: list[dict[str, Any]] = [
    {"class": "RobustZScoreNorm", "kwargs": {"fields_group": "feature", "clip_outlier": True}},
    {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
]
RANKED = {
    "learn_processors": [{"class": "DropnaLabel"}, {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}}],
    "label": ["Ref($close, -2) / Ref($close, -1) - 1"],
}
WIDE = {"infer_processors": SCALED, **RANKED}
NARROW = {"infer_processors": [FILTER, *SCALED], **RANKED}

TRAINED = {"n_epochs": 2, "early_stop": 2, "lr": 0.01, "GPU": 0}
BATCHES = {**TRAINED, "batch_size": 200, "loss": "mse", "metric": "loss"}
HIDDEN = {"d_feat": 6, "hidden_size": 8, "num_layers": 2, "dropout": 0.1}
CONVOLVED = {"d_feat": 6, "n_chans": 8, "kernel_size": 3, "num_layers": 2, "dropout": 0.1}
ATTENTIVE = {"d_feat": 6, "d_model": 8, "nhead": 2, "num_layers": 1, "dropout": 0.1}
SEEDED = {"seed": 3}
DAILY = {"d_feat": 6, "hidden_size": 64, "num_layers": 2, "dropout": 0.1, **TRAINED, "metric": "loss"}

FLAT: dict[str, tuple[str, dict[str, Any]]] = {  # of rows with 60 days of six prices each
    "pytorch_lstm": ("LSTM", {**HIDDEN, **BATCHES, **SEEDED}),
    "pytorch_gru": ("GRU", {**HIDDEN, **BATCHES}),
    "pytorch_alstm": ("ALSTM", {**HIDDEN, **BATCHES, "rnn_type": "GRU"}),
    "pytorch_gats": ("GATs", {**DAILY, "base_model": "LSTM"}),
    "pytorch_tcn": ("TCN", {**CONVOLVED, **BATCHES, **SEEDED}),
    "pytorch_transformer": ("TransformerModel", {**ATTENTIVE, **BATCHES}),
    "pytorch_localformer": ("LocalformerModel", {**ATTENTIVE, **BATCHES}),
    "pytorch_tabnet": ("TabnetModel", {"d_feat": 360, "pretrain": False, "vbs": 50, "n_d": 8, "n_a": 8, **BATCHES}),
    "pytorch_sfm": ("SFM", {"d_feat": 6, "hidden_size": 8, "output_dim": 1, "freq_dim": 4, **BATCHES}),
    "pytorch_krnn": ("KRNN", {"fea_dim": 6, "cnn_dim": 4, "rnn_dim": 4, "rnn_dups": 2, **BATCHES}),
    "pytorch_sandwich": ("Sandwich", {"fea_dim": 6, "cnn_dim_1": 4, "rnn_dim_1": 4, "rnn_dups": 2, **BATCHES}),
    "pytorch_add": ("ADD", {**HIDDEN, **TRAINED, "metric": "loss", "dec_dropout": 0.0, "base_model": "GRU"}),
    "pytorch_adarnn": ("ADARNN", {**HIDDEN, **BATCHES, "pre_epoch": 1, "len_seq": 60, "n_splits": 2}),
}
SERIES: dict[str, tuple[str, dict[str, Any]]] = {  # of samples of TSDatasetH
    "pytorch_lstm_ts": ("LSTM", {**HIDDEN, **BATCHES, "n_jobs": 2, **SEEDED}),
    "pytorch_gru_ts": ("GRU", {**HIDDEN, **BATCHES, "n_jobs": 0}),
    "pytorch_alstm_ts": ("ALSTM", {**HIDDEN, **BATCHES, "n_jobs": 0, "rnn_type": "GRU"}),
    "pytorch_gats_ts": ("GATs", {**DAILY, "n_jobs": 0, "base_model": "LSTM"}),
    "pytorch_tcn_ts": ("TCN", {**CONVOLVED, **BATCHES, "n_jobs": 0}),
    "pytorch_transformer_ts": ("TransformerModel", {**ATTENTIVE, **BATCHES, "n_jobs": 0}),
    "pytorch_localformer_ts": ("LocalformerModel", {**ATTENTIVE, **BATCHES, "n_jobs": 0}),
    "pytorch_general_nn": (
        "GeneralPTNN",
        {
            **{**BATCHES, "n_jobs": 0, "pt_model_uri": "qlib.contrib.model.pytorch_gru_ts.GRUModel"},
            "pt_model_kwargs": HIDDEN,
        },
    ),
}

MLP = {
    **{**BATCHES, "n_jobs": 0, "pt_model_uri": "qlib.contrib.model.pytorch_nn.Net"},
    "pt_model_kwargs": {"input_dim": 158, "layers": [16]},
}


def _parts(module: str, name: str, kwargs: dict[str, Any], handler: dict[str, Any], **more: object) -> Any:
    return {"class": name, "module_path": f"qlib.contrib.model.{module}", "kwargs": kwargs}, handler, more


NETWORKS: dict[str, Any] = {
    **{one: _parts(one, *found, WIDE, handler_class="Alpha360") for one, found in FLAT.items()},
    "mlp": _parts("pytorch_general_nn", "GeneralPTNN", MLP, WIDE),
    **{one: _parts(one, *found, NARROW, step_len=STEP_LEN) for one, found in SERIES.items()},
}
