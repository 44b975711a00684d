"""The records of a template that names none."""

from __future__ import annotations

import pytest

from rollq.tasks.components.dataset import LABEL_KINDS
from rollq.tasks.components.default_records import RECORDS, default_records
from rollq.tasks.errors import ComponentError


def test_every_kind_of_a_label_is_there() -> None:
    assert set(RECORDS) == set(LABEL_KINDS)


@pytest.mark.parametrize("kind", RECORDS)
def test_every_kind_writes_predictions_first_and_is_measured(kind: str) -> None:
    first, *others = default_records(kind)
    assert first == {"class": "SignalRecord"}
    assert others


def test_what_a_template_gets_is_its_own() -> None:
    default_records("return")[0]["kwargs"] = {"allow_constant": True}
    assert default_records("return")[0] == {"class": "SignalRecord"}


def test_another_kind_is_refused() -> None:
    with pytest.raises(ComponentError, match="'price' is unknown"):
        default_records("price")
