"""A host that is cut off from everything while it trains costs time and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.hosts.network import Cut, why_not
from tests.chaos.hosts.two_hosts import LEASE, run


@pytest.mark.parametrize("how", [Cut.SILENT])  # `make chaos` pulls the plug too
def test_a_host_that_is_cut_off_while_it_trains_loses_and_doubles_nothing(tmp_path: Path, how: Cut) -> None:
    if reason := why_not():
        if os.environ.get("CI"):
            pytest.fail(f"the test of two hosts cannot run, and CI must run it: {reason}")
        pytest.skip(reason)
    report = run(tmp_path, how)
    assert report.wrong == ()
    assert report.cut_seconds > LEASE
    assert report.losses >= 2  # both workers of the host that was cut off were at work
    assert report.gave_up >= 1  # the honest one stopped by itself while nobody could reach it
    assert report.refused >= 1  # the deaf one tried to commit, and its fence was too old
