"""What is known of LightGBM's parameters: their ranges, and which of them do nothing on what rollq trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Params = Mapping[str, Any]  # by LightGBM's main name of each
# One thread per worker, the same result on every run; bins and filters come from the window's own train rows.
FIXED: dict[str, object] = {
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
    "feature_pre_filter": False,
}
# LightGBM knows these under other names too; here each has one.
OWN = {
    "objective": "loss",
    "num_iterations": "num_boost_round",
    "early_stopping_round": "early_stopping_rounds",
    "seed": "seed",
}
LARGEST_INT = 2**31 - 1  # LightGBM cuts off what is above


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` (``above`` it, if so) to ``most``."""

    least: float
    most: float = math.inf
    above: bool = False
    whole: bool = False

    def holds(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        low = value > self.least if self.above else value >= self.least
        return bool(low and value <= self.most and math.isfinite(value))

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        least = f"above {self.least:g}" if self.above else f"of at least {self.least:g}"
        return f"{kind} {least}" + ("" if math.isinf(self.most) else f" and at most {self.most:.0f}")


SHARE = Range(0, 1, above=True)
ANY_INT = Range(-LARGEST_INT, LARGEST_INT, whole=True)
COUNT = Range(0, LARGEST_INT, whole=True)
SOME = Range(1, LARGEST_INT, whole=True)
RANGES: dict[str, Range] = {
    "num_leaves": Range(2, 131072, whole=True),
    "max_bin": Range(2, 65535, whole=True),
    "num_grad_quant_bins": Range(2, 128, whole=True),
    "learning_rate": Range(0, above=True),
    "alpha": Range(0, above=True),
    "tweedie_variance_power": Range(1, 2),
    **dict.fromkeys(("bagging_fraction", "feature_fraction", "feature_fraction_bynode"), SHARE),
    **dict.fromkeys(("drop_rate", "skip_drop", "top_rate", "other_rate"), Range(0, 1)),
    **dict.fromkeys(("pos_bagging_fraction", "neg_bagging_fraction"), SHARE),
    **dict.fromkeys(("sigmoid", "scale_pos_weight", "poisson_max_delta_step", "fair_c"), Range(0, above=True)),
    **dict.fromkeys(("min_data_per_group", "max_cat_threshold", "max_cat_to_onehot"), SOME),
    **dict.fromkeys(("cat_l2", "cat_smooth"), Range(0)),
    **dict.fromkeys(("lambdarank_truncation_level", "multi_error_top_k"), SOME),
    "objective_seed": ANY_INT,
    **dict.fromkeys(("lambda_l1", "lambda_l2", "linear_lambda", "min_gain_to_split", "path_smooth"), Range(0)),
    **dict.fromkeys(("min_sum_hessian_in_leaf", "monotone_penalty", "cegb_tradeoff", "cegb_penalty_split"), Range(0)),
    **dict.fromkeys(("min_data_in_leaf", "bagging_freq"), COUNT),
    **dict.fromkeys(("min_data_in_bin", "bin_construct_sample_cnt"), SOME),
    **dict.fromkeys(("bagging_seed", "feature_fraction_seed", "extra_seed", "drop_seed", "data_random_seed"), ANY_INT),
}
# Metrics of any label; others want labels that are positive, shares, classes, or ranks.
METRICS = ("l2", "mse", "rmse", "l1", "mae", "huber", "fair", "quantile", "mape", "r2")
OF_CLASSES = ("multi_logloss", "multi_error", "auc_mu")
MORE_METRICS = {  # by objective
    **dict.fromkeys(("poisson", "tweedie"), ("poisson", "tweedie")),
    "gamma": ("gamma", "gamma_deviance", "poisson", "tweedie"),
    "binary": ("binary_logloss", "binary_error", "auc", "average_precision", "cross_entropy", "kullback_leibler"),
    "cross_entropy": ("cross_entropy", "kullback_leibler"),
    "cross_entropy_lambda": ("cross_entropy_lambda", "cross_entropy", "kullback_leibler"),
    **dict.fromkeys(("lambdarank", "rank_xendcg"), ("ndcg", "map")),
}
RANKS, MANY = ("lambdarank", "rank_xendcg"), ("multiclass", "multiclassova")
# rollq's names of losses that LightGBM calls otherwise.
OBJECTIVES = {"mse": "regression", "mae": "regression_l1"}
OWN_OBJECTIVE = "custom"  # what LightGBM calls a function


def metrics_for(objective: object) -> tuple[str, ...]:
    """LightGBM's metrics that go with an objective, by LightGBM's name of it."""
    return OF_CLASSES if objective in MANY else METRICS + MORE_METRICS.get(str(objective), ())


CHOICES: dict[str, tuple[str, ...]] = {
    "boosting": ("gbdt", "gbrt", "rf", "random_forest", "dart", "goss"),
    "data_sample_strategy": ("bagging", "goss"),
    "monotone_constraints_method": ("basic", "intermediate", "advanced"),
    "device_type": ("cpu",),  # others give other results from run to run
    "tree_learner": ("serial",),  # others are for several machines
}
# LightGBM takes other spellings than true and false, such as "+": here a flag is true or false.
FLAGS = [
    "extra_trees",
    "xgboost_dart_mode",
    "uniform_drop",
    "reg_sqrt",
    "boost_from_average",
    "linear_tree",
    "use_quantized_grad",
    "quant_train_renew_leaf",
    "stochastic_rounding",
    "is_enable_sparse",
    "enable_bundle",
    "use_missing",
    "zero_as_missing",
    "is_unbalance",
    "lambdarank_norm",
    "bagging_by_query",
]
LISTS = [
    "monotone_constraints",
    "feature_contri",
    "max_bin_by_feature",
    "interaction_constraints",
    "cegb_penalty_feature_lazy",
    "cegb_penalty_feature_coupled",
]
# Lists that have nothing to do with features.
OTHER_LISTS = ["label_gain", "eval_at", "auc_mu_weights"]
FOR_CATEGORIES = ("min_data_per_group", "max_cat_threshold", "cat_l2", "cat_smooth", "max_cat_to_onehot")


def _each(names: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


# Parameters that do nothing here, whatever their value, and why.
WITHOUT_EFFECT = {
    **_each(
        "task data valid config input_model output_model output_result convert_model convert_model_language "
        "header label_column weight_column group_column ignore_column save_binary two_round precise_float_parser "
        "parser_config_file snapshot_freq metric_freq is_provide_training_metric",
        "LightGBM's own program reads it with its files; rollq hands over the data of a window itself",
    ),
    **_each("num_class", "rollq counts the classes of train"),
    **_each("lambdarank_position_bias_regularization", "rows of a panel have no position"),
    **_each("categorical_feature", "the dataset says which features are categories (dataset.kwargs.categorical)"),
    **_each(
        "start_iteration_predict num_iteration_predict predict_raw_score predict_leaf_index predict_contrib "
        "predict_disable_shape_check pred_early_stop pred_early_stop_freq pred_early_stop_margin",
        "it belongs to the prediction of LightGBM's own program",
    ),
    **_each(
        "num_machines local_listen_port time_out machine_list_filename machines pre_partition top_k num_gpu "
        "gpu_platform_id gpu_device_id gpu_device_id_list gpu_use_dp",
        "a window is trained on one processor of one machine",
    ),
    **_each("forcedsplits_filename forcedbins_filename", "a file is no part of what a task is, and workers lack it"),
    **_each("early_stopping_min_delta first_metric_only", "rollq stops early by early_stopping_rounds alone"),
    **_each("saved_feature_importance_type refit_decay_rate", "rollq does nothing that it changes"),
    **_each("force_row_wise", "rollq sets force_col_wise, for the same result on every run"),
}


def _below_one(params: Params, *names: str) -> bool:
    return any(params.get(name, 1.0) < 1.0 for name in names)


def _boosting(params: Params) -> object:
    return {"gbrt": "gbdt", "random_forest": "rf"}.get(params.get("boosting", "gbdt"), params.get("boosting", "gbdt"))


def _is_bagged(params: Params) -> bool:
    shares = ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction")
    return bool(params.get("bagging_freq", 0)) and _below_one(params, *shares)


def _is(params: Params, *objectives: str) -> bool:
    return params["objective"] in objectives


def _metrics(params: Params) -> set[str]:
    found = params.get("metric", ())
    return {one for one in (found.split(",") if isinstance(found, str) else found) if isinstance(one, str)}


Condition = tuple[str, Callable[[Params], object], str]
# Parameters that do something only beside others: which, when, and what they need.
NEEDS: tuple[Condition, ...] = (
    ("alpha", lambda p: _is(p, "huber", "quantile") or _metrics(p) & {"huber", "quantile"}, "loss: huber or quantile"),
    ("fair_c", lambda p: _is(p, "fair") or "fair" in _metrics(p), "loss: fair or metric: fair"),
    (
        "reg_sqrt",
        lambda p: _is(p, "regression", "regression_l1", "fair", "quantile", "mape"),
        "another loss: mse, mae, fair, quantile or mape",
    ),
    ("poisson_max_delta_step", lambda p: _is(p, "poisson"), "the objective poisson"),
    (
        "tweedie_variance_power",
        lambda p: _is(p, "tweedie") or "tweedie" in _metrics(p),
        "the objective tweedie (loss: tweedie)",
    ),
    *(
        (name, lambda p: _is(p, "binary", "multiclassova"), "loss: binary or multiclassova")
        for name in ("is_unbalance", "scale_pos_weight")
    ),
    (
        "sigmoid",
        lambda p: _is(p, "binary", "multiclassova", "lambdarank"),
        "loss: binary, multiclassova or lambdarank",
    ),
    *(
        (name, lambda p: _is(p, "binary") and p.get("bagging_freq"), "loss: binary and bagging_freq: 1 or more")
        for name in ("pos_bagging_fraction", "neg_bagging_fraction")
    ),
    *(
        (name, lambda p: _is(p, "lambdarank"), "loss: lambdarank")
        for name in ("lambdarank_truncation_level", "lambdarank_norm")
    ),
    ("label_gain", lambda p: _is(p, *RANKS), "loss: lambdarank or rank_xendcg"),
    ("eval_at", lambda p: _is(p, *RANKS), "loss: lambdarank or rank_xendcg"),
    ("bagging_by_query", lambda p: _is(p, *RANKS) and _is_bagged(p), "a loss that ranks, and bagging"),
    ("objective_seed", lambda p: _is(p, "rank_xendcg"), "loss: rank_xendcg"),
    ("boost_from_average", lambda p: not _is(p, *RANKS, OWN_OBJECTIVE), "another loss: ranks have no average"),
    ("auc_mu_weights", lambda p: "auc_mu" in _metrics(p), "metric: auc_mu"),
    ("multi_error_top_k", lambda p: "multi_error" in _metrics(p), "metric: multi_error"),
    ("bagging_fraction", lambda p: p["bagging_fraction"] == 1 or p.get("bagging_freq"), "bagging_freq: 1 or more"),
    ("bagging_freq", lambda p: not p["bagging_freq"] or _is_bagged(p), "a bagging_fraction below 1"),
    ("bagging_seed", _is_bagged, "bagging_freq and bagging_fraction"),
    (
        "feature_fraction_seed",
        lambda p: _below_one(p, "feature_fraction", "feature_fraction_bynode"),
        "feature_fraction",
    ),
    ("learning_rate", lambda p: _boosting(p) != "rf", "another boosting than rf"),
    ("early_stopping_round", lambda p: _boosting(p) != "dart", "another boosting than dart"),
    ("extra_seed", lambda p: p.get("extra_trees"), "extra_trees: true"),
    ("linear_lambda", lambda p: p.get("linear_tree"), "linear_tree: true"),
    ("cegb_tradeoff", lambda p: any(name.startswith("cegb_penalty") for name in p), "a cegb_penalty"),
    *(
        (name, lambda p: _boosting(p) == "dart", "boosting: dart")
        for name in ("drop_rate", "max_drop", "skip_drop", "xgboost_dart_mode", "uniform_drop", "drop_seed")
    ),
    *(
        (name, lambda p: "goss" in (_boosting(p), p.get("data_sample_strategy")), "data_sample_strategy: goss")
        for name in ("top_rate", "other_rate")
    ),
    *(
        (name, lambda p: p.get("monotone_constraints"), "monotone_constraints")
        for name in ("monotone_penalty", "monotone_constraints_method")
    ),
    *(
        (name, lambda p: p.get("use_quantized_grad"), "use_quantized_grad: true")
        for name in ("num_grad_quant_bins", "quant_train_renew_leaf", "stochastic_rounding")
    ),
)
