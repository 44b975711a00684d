"""What is collected: artifacts of any kind under keys of any kind; both are the user's, who also brings processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

Values = Mapping[Any, Any]  # not of object: a mapping is invariant in its keys, so dict[str, ...] would be refused
Collected = dict[Any, Any]
Process = Callable[..., Any]  # groups and ensembles; what one returns is given to the next
Frame = pd.DataFrame | pd.Series
