"""Templates: what is wrong is named with its key and its line, before the data are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import BadInput
from rollq.tasks.rolling.template import Template, load_template
from tests.conftest import EXAMPLES

TEXT = (EXAMPLES / "small.yaml").read_text()


def load(folder: Path, text: str) -> Template:
    path = folder / "mine.yaml"
    path.write_text(text)
    return load_template(path, Settings())


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "2018-12-31",
            "2018-02-30",
            r"dataset.kwargs.segments.train: 2018-02-30 does not exist.*\(mine.yaml, line LINE\)",
        ),
        ("2018-12-31", "2018-12-31T00:00:00", "segments.train: '2018-12-31T00:00:00' is not a day"),
        ("2018-12-31", "2018-12-31 16:00:00+08:00", "is not a day"),
        ("2018-12-31", "20181231", "'20181231' is not a day"),
        ("2018-12-31", "2018-W52-1", "is not a day"),
        ("step: 63", 'step: "063"', r"rolling.kwargs.step: '063' is not possible.*line"),
        ("step: 63", "step: 1_000", "rolling.kwargs.step: '1_000' is not possible"),
        ("purge: 6", "purge: 0x6", "rolling.kwargs.purge: '0x6' is not possible"),
        ("rtype: sliding", "rtype: slidng", "rolling.kwargs.rtype: 'slidng' is unknown"),
        ("normalize: rank", "normalize: ON", "dataset.kwargs.normalize: 'ON' is unknown"),
        ("normalize: rank", "universe: [AMD, ~]", r"dataset.kwargs.universe\[1\]: None is no text.*line LINE"),
        ("normalize: rank", "universe: [AMD, 1e3]", r"dataset.kwargs.universe\[1\]: 1000.0 is no text"),
        ("normalize: rank", "universe: [true]", r"dataset.kwargs.universe\[0\]: True is no text"),
        (
            "op: momentum",
            "op: momentun",
            r"dataset.kwargs.features\[0\].op: the feature 'momentun' is unknown.*momentum",
        ),
        ("name: sp500-small", "name: ~", "name: None cannot be a name"),
        ("normalize: rank", "processors: [{op: zscore, clip: -3}]", r"processors\[0\].clip: -3 leaves nothing.*LINE"),
        ("normalize: rank", "cache_dir: 7", "dataset.kwargs.cache_dir: 7 is no path"),
        ("loss: mse", "loss: msee", "Did you mean 'mse'"),
        ("normalize: rank", "processors: ~", "dataset.kwargs.processors: processors is a list"),
        ("op: momentum", "op: [momentum]", r"features\[0\].op: the feature \['momentum'\] is unknown"),
        ("op: forward_return", "op: {a: 1}", r"label.op: the label {'a': 1} is unknown"),
        ("loss: mse", "los: mse", "LightGBM has no such parameter.*Did you mean 'loss'"),
        ("step: 63", "horizon: 5", "no parameter 'horizon'.*Known: embargo, purge, rtype, step, trunc_days\\."),
        ("class: SignalRecord", "{class: SignalRecord, kwargs: {a: 1}}", "Known: allow_constant\\."),
        ("class: SignalRecord", "{class: RankingRecord, kwargs: {k: 0}}", r"k \[0\] is not possible"),
        ("class: LGBModel", "class: RollingGen", r"model.class: RollingGen cannot be a model \(mine.yaml, line LINE"),
        ("class: PanelDataset", "class: LGBModel", "dataset.class: LGBModel cannot be a dataset"),
        ("class: SignalRecord", "class: LGBModel", r"record\[0\].class: LGBModel cannot be a record"),
        ("rolling:", "rolling:\n  class: LGBModel", "rolling.class: LGBModel cannot be a generator"),
        ("name: sp500-small", "queue: 0", "queue: 0 cannot be a name"),
        ("name: sp500-small", "online: {begin: ''}", "online.begin: '' is not a date"),
        ("step: 63", "train_key: tran", "rolling.kwargs.train_key: it cannot be given in a template"),
        ("class: SignalRecord", "{class: SignalRecord, kwargs: {dataset: 1}}", "kwargs.dataset: the worker gives it"),
        ("loss: mse", "loss: [mse]", r"model.kwargs.loss: \['mse'\] is unknown"),
        ("name: sp500-small", "online: {timezone: Asia/Manilla}", r"online.timezone: .* no time zone.*line LINE"),
        ("name: sp500-small", "time_limit: .inf", "time_limit: inf is no duration"),
        ("name: sp500-small", "online: {promote: {metric: rank_icc}}", "promote.metric: 'rank_icc' .*mean 'rank_ic'"),
        ("name: sp500-small", "nam: a", r"unknown key 'nam' \(mine.yaml, line 2\)"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = changed(old, new)
    line = text[: text.index(new)].count("\n") + 1
    with pytest.raises(BadInput, match=said.replace("LINE", str(line))) as raised:
        load(tmp_path, text)
    assert raised.value.fix


def test_a_name_from_the_file_is_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "what?.yaml"
    path.write_text(changed("name: sp500-small\n", ""))
    with pytest.raises(BadInput, match="name: 'what\\?' cannot be a name"):
        load_template(path, Settings())


def test_tickers_stay_text(tmp_path: Path) -> None:
    made = load(tmp_path, changed("normalize: rank", "universe: [NO, 063, ON, 1:30, 600519]"))
    assert made.definition["dataset"]["kwargs"]["universe"] == ["NO", "063", "ON", "1:30", 600519]


def test_keys_that_begin_with_x_are_the_users_own(tmp_path: Path) -> None:
    text = changed("learning_rate: 0.05", "<<: *speed").replace(
        "model:", "x-speed: &speed {learning_rate: 5e-2}\nmodel:"
    )
    assert load(tmp_path, text).to_config() == load(tmp_path, TEXT).to_config()


def test_a_mistake_of_a_challenger_is_named(tmp_path: Path) -> None:
    text = TEXT + "online:\n  challengers:\n    - {name: ridge, model: {class: RidgeModel, kwargs: {alpha: -1}}}\n"
    with pytest.raises(BadInput, match=r"challengers\[0\]: challenger 'ridge': model.kwargs.alpha: -1 .*line"):
        load(tmp_path, text)


def test_the_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = load(tmp_path, changed("path: prices_small.parquet", "path: ~/data/prices.parquet"))
    assert made.definition["dataset"]["kwargs"]["path"] == str(tmp_path / "data" / "prices.parquet")
