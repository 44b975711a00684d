"""What ``rollq.init`` sets up for a script ends with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollq import MLflowExpManager, R, Settings
from rollq.tasks.backend import share, shared_backend
from rollq.tasks.config.settings import current_settings
from rollq.tasks.config.sources import set_for_script
from rollq.tasks.rolling.calendar import set_default_calendar


@pytest.fixture
def script_ends(settings: Settings) -> Iterator[None]:
    """Another test of this process finds what it would have found without this one."""
    yield
    if backend := shared_backend():
        backend.store.close()
    share(None)
    set_for_script({})
    current_settings.cache_clear()
    set_default_calendar(None)
    R.setup(MLflowExpManager(settings.mlflow_uri))
