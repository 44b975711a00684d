"""Paths of templates: they stay as they were written, and are followed when a file is read."""

from __future__ import annotations

import os
from pathlib import Path

from rollq import PanelDataset
from rollq.tasks.files.paths import absolute, folder_of
from tests.synthetic import FEATURES, SEGMENTS, closes, long, write


def release(folder: Path, name: str, sessions: int) -> Path:
    """A release of the data; every one has the same time and, if it has as many sessions, the same size."""
    made = folder / name
    made.mkdir()
    path = Path(write(long(closes(sessions)), made))
    os.utime(path, ns=(10**18, 10**18))
    return made


def switch(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def test_a_switched_link_is_another_file(tmp_path: Path) -> None:
    switch(tmp_path / "current", release(tmp_path, "r10", 300))
    path = str(tmp_path / "current" / "prices.parquet")
    kwargs = {"features": FEATURES, "label": {"op": "forward_return"}, "segments": SEGMENTS}

    def look() -> tuple[int, str]:
        made = PanelDataset(path, cache_dir=str(tmp_path / "cache"), **kwargs)  # type: ignore[arg-type]
        return len(made.sessions), made.fingerprint()["sha256"]

    first = look()
    switch(tmp_path / "current", release(tmp_path, "r11", 301))
    assert look()[0] == first[0] + 1
    assert look()[1] != first[1]


def test_links_stay_and_what_leads_back_is_followed(tmp_path: Path) -> None:
    (tmp_path / "releases" / "r10" / "data").mkdir(parents=True)
    (tmp_path / "releases" / "r10" / "t.yaml").touch()
    switch(tmp_path / "current", tmp_path / "releases" / "r10")
    switch(tmp_path / "mine.yaml", Path("current") / "t.yaml")
    assert folder_of(tmp_path / "current" / "t.yaml") == tmp_path / "current"
    assert folder_of(tmp_path / "mine.yaml") == tmp_path / "current"  # a template that is a link lies where it points
    assert absolute(tmp_path / "current" / "data" / "p") == tmp_path / "current" / "data" / "p"
    assert absolute(tmp_path / "current" / ".." / "p") == tmp_path / "releases" / "p"  # as the system understands it
    switch(tmp_path / "round.yaml", tmp_path / "round.yaml")
    assert folder_of(tmp_path / "round.yaml") == tmp_path  # it cannot be read, and reading it says so
