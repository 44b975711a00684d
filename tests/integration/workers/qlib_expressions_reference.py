"""What pyqlib computes of expressions, as a program of its own: a data folder, a JSON file, an output file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import qlib
from qlib.data import D
from qlib.data.storage.file_storage import FileFeatureStorage

read = FileFeatureStorage.__getitem__


def read_double(storage: FileFeatureStorage, place: slice) -> pd.Series:
    """What is stored, for arithmetic of double precision: Qlib's own is of single precision where numpy lets it."""
    return read(storage, place).astype(np.float64)


def main() -> None:
    """Values of each expression, indexed (instrument, datetime)."""
    asked = json.loads(Path(sys.argv[2]).read_text())
    qlib.init(provider_uri=sys.argv[1], region="cn", kernels=1, expression_cache=None, dataset_cache=None)
    if asked["double"]:
        FileFeatureStorage.__getitem__ = read_double
        np.float32 = np.float64  # the last cast of an expression
    names, texts = list(asked["expressions"]), list(asked["expressions"].values())
    found = D.features(asked["instruments"], texts, freq="day")
    found.columns = names
    found.astype(np.float64).to_parquet(sys.argv[3])


if __name__ == "__main__":
    main()
