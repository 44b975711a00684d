"""A dataset of one's own: closes of a Parquet file, two features, the return of the next sessions as label."""

import hashlib
from pathlib import Path

import pandas as pd

import rollq


class Closes(rollq.Dataset):
    def __init__(self, path, segments, window=20, horizon=5):
        self.path, self.segments, self.window, self.horizon = path, dict(segments), window, horizon

    def prepare(self, segment, columns="feature"):
        close = self._closes()
        wide = {"label": close.shift(-1 - self.horizon) / close.shift(-1) - 1}
        if columns == "feature":
            daily = close.pct_change(fill_method=None)
            wide = {"momentum": close / close.shift(self.window) - 1, "volatility": daily.rolling(self.window).std()}
        start, end = self.segments[segment]
        rows = pd.DataFrame({name: values.loc[start:end].stack(future_stack=True) for name, values in wide.items()})
        return rows[close.loc[start:end].stack(future_stack=True).notna()]

    def config(self, segments):
        return type(self)(**{**self.to_config(), "segments": segments})

    def to_config(self):
        return {"path": self.path, "segments": self.segments, "window": self.window, "horizon": self.horizon}

    def check(self):
        self._closes()

    def fingerprint(self):
        return {"sha256": hashlib.sha256(Path(self.path).read_bytes()).hexdigest()}

    @property
    def sessions(self):
        return self._closes().index

    @property
    def label_lookahead(self):
        return self.horizon + 1

    def _closes(self):
        return pd.read_parquet(self.path).pivot(index="datetime", columns="instrument", values="close")
