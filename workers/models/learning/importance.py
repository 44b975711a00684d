"""How much each feature matters to a model of trees, as a file of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = "importance.json"


def write_importance(folder: Path, kinds: Mapping[str, Mapping[str, float]]) -> None:
    """Write ``importance.json``: features by name, the most important first.

    Args:
        kinds: of each kind of importance (``gain``: what splits by a feature gained in all, ``split``: how many there
            are) the value of every feature.
    """
    content = {kind: dict(sorted(found.items(), key=lambda one: (-one[1], one[0]))) for kind, found in kinds.items()}
    (folder / FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")


def summed(parts: list[Mapping[str, float]]) -> dict[str, float]:
    """The importance of each feature to several boosters together."""
    return {name: float(sum(part[name] for part in parts)) for name in parts[0]}
