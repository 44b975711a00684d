"""A rank compared with what no share can be is refused, and so is a comparison beside & or | without brackets."""

from __future__ import annotations

import pytest

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.expression import parse


@pytest.mark.parametrize(
    "text",
    [
        *("rank(x) * 1 <= 2", "-rank(x) >= -2", "rank(x) + 1 <= 200", "rank(x) <= 2 * 100", "group_rank(x, y) <= 3"),
        *("2 >= 1 * rank(x)", "le(rank(x) * 1, 2)", "rank(x) / 2 < 5", "1 - rank(x) > 2"),
    ],
)
def test_a_place_that_no_share_reaches_is_refused(text: str) -> None:
    with pytest.raises(TemplateError, match="a rank is a share") as caught:
        parse(text, columns=None, lead=None)
    assert "rank(x) <= 200" in caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        *("rank(x) <= 200", "2 >= rank(x)", "rank(x) * 100 <= 20", "1 - rank(x) <= 0.1", "rank(x, pct=False) * 1 <= 2"),
        *("rank(x) + rank(y) > 1.5", "group_rank(x, y) <= 0.5", "rank(x) - y > 3", "-rank(x) >= -0.5"),
    ],
)
def test_others_are_read(text: str) -> None:
    parse(text, columns=None, lead=None)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        *[("close > 50 & volume > 500", "&"), ("close > 50 | volume > 500", "|"), ("(close > 50) & volume > 5", "&")],
        *[("where(close & volume > 5, 1, 0)", "&"), ("`ä ö` > 1 & `ü` > 2", "&"), ("5 < close | open", r"\|")],
    ],
)
def test_a_comparison_beside_a_sign_needs_brackets(text: str, sign: str) -> None:
    with pytest.raises(TemplateError, match="binds what is beside it") as caught:
        parse(text, columns=None, lead=None)
    assert f") {sign[-1]} (" in caught.value.fix


@pytest.mark.parametrize(
    "text",
    ["(close > 50) & (volume > 500)", "(close & volume) > 0", "close > 50 and volume > 500", "0 < close < (x | y)"],
)
def test_brackets_say_what_is_meant(text: str) -> None:
    parse(text, columns=None, lead=None)
