"""The parser takes a closed list, names the place and the cause of what it refuses, and is never lost."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.expression import LABEL, parse
from rollq.workers.expressions.parsing.reader import DEEPEST, LONGEST
from tests.unit.workers.expressions.grids import COLUMNS
from tests.unit.workers.expressions.random_texts import texts

KEY = "dataset.kwargs.features[2]"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a+b*c", "a + (b * c)"),
        ("(a+b)*c", "(a + b) * c"),
        ("-a**2", "-(a ** 2)"),
        ("(-a)**2", "(-a) ** 2"),
        ("2*-3", "2 * (-3)"),
        ("+a - -1.50", "a - (-1.5)"),
        ("a<b<=c", "(a < b) and (b <= c)"),
        ("a > 0 and b > 0 or not c", "((a > 0) and (b > 0)) or (not c)"),
        ("(a > 0) & ~(b > 0)", "(a > 0) and (not (b > 0))"),
        ("mean(a, window=20)", "mean(a, 20)"),
        ("mean(window=20, x=a)", "mean(a, 20)"),
        ("mean(a, 20, 5)", "mean(a, 20, least=5)"),
        ("mean(a, 20, least=20)", "mean(a, 20, least=20)"),
        ("lag(a)", "lag(a)"),
        ("lag(a, 1)", "lag(a)"),
        (
            "lag(a, 48h) + lag(a, 2w) + lag(a, 90min)",
            "(lag(a, distance=48h) + lag(a, distance=14d)) + lag(a, distance=90min)",
        ),
        ("col('net sales') + `1st` + col(\"class\")", "(`net sales` + `1st`) + `class`"),
        ("ewm(a, span=10)", "ewm(a, span=10)"),
        ("hour == 3", "hour() == 3"),
        ("lead(hour, 3h) == 3", "hour(ahead=3h) == 3"),
        ("holiday('DE')", "holiday('DE')"),
        ("1_000 + 1e3 + .5", "(1000 + 1000) + 0.5"),
        ("a\n  + b", "a + b"),
        ("$close > Ref($close, 1)", "Gt(close, Ref(close, 1))"),
        ("Mean(a, 5) > 1 and not a", "And(Gt(Mean(a, 5), 1), Not(a))"),
        ("Ref($close, -2)", "Ref(close, -2)"),
    ],
)
def test_a_text_has_one_canonical_form(text: str, canonical: str) -> None:
    found = parse(text, columns=None, lead=LABEL)
    assert found.text == canonical
    assert parse(canonical, columns=None, lead=LABEL) == found


@settings(max_examples=100, deadline=None)
@given(text=texts())
def test_the_canonical_form_of_any_expression_means_the_same(text: str) -> None:
    found = parse(text, columns=None, lead=LABEL)
    assert parse(found.text, columns=None, lead=LABEL) == found


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("mean(clsoe, 20)", 6, "no column 'clsoe'. Did you mean 'close'?"),
        ("close / meen(close, 20)", 9, "no function 'meen'. Did you mean 'mean'"),
        ("mean($clse, 5)", 6, "no column 'clse'. Did you mean 'close'?"),
        ("close + `hihg`", 9, "no column 'hihg'. Did you mean 'high'?"),
        ("close + col('lwo')", 13, "no column 'lwo'. Did you mean 'low'?"),
        ("mean + 1", 1, "mean is a function. Example: mean(close, 20)"),
        ("mean(close)", 1, "mean needs 'window'. Example"),
        ("mean(close, 0)", 13, "at least 1"),
        ("mean(close, 2.5)", 13, "a number of steps"),
        ("mean(close, open)", 13, "a number of steps"),
        ("std(close, 1)", 12, "at least 2"),
        ("Mean($close, 0)", 14, "at least 1"),
        ("Ref($close, 0)", 13, "a whole number other than 0"),
        ("mean(close, 5, 6, 7)", 19, "mean takes 3 arguments"),
        ("mean(close, 5, lest=3)", 21, "mean has no 'lest'. Did you mean 'least'?"),
        ("mean(close, 5, x=open)", 18, "mean has 'x' twice"),
        ("mean(*close)", 6, "a star"),
        ("mean(close, 5, least=6)", 1, "a window of 5 steps never has 6 values"),
        ("lag(close, -1)", 12, "a number of steps"),
        ("rank(close, descending=1)", 24, "True or False"),
        ("quantile(close, 5, 2)", 20, "at least 0 and at most 1"),
        ("ewm(close)", 1, "either halflife or span"),
        ("ewm(close, 3, 4)", 1, "either halflife or span"),
        ("momentum(close, 5d)", 17, "a number of steps, at least 1"),
        ("hour(3)", 6, "ahead of hour is a span"),
        ("holiday(close)", 9, "a text in quotes"),
        ("24h + 1", 1, "a span is no value"),
        ("lag(close, 999999999d)", 12, "a span is more than a hundred years"),
        ("mean(close, 99999999999h)", 13, "a span is more than a hundred years"),
        ("close + 'a'", 9, "'a' is no number. The name of a column stands in backticks"),
        ("close + True", 9, "True is no number"),
        ("1j * close", 1, "is no number"),
        ("close.shift(1)", 6, "'.' cannot be read"),
        ("close[0]", 1, "no part of the language"),
        ("close; open", 6, "';' cannot be read"),
        ("close := 3", 7, "':' cannot be read"),
        ("[close]", 1, "no part of the language"),
        ("1 if close else 2", 1, "no part of the language"),
        ("lambda: close", 7, "':' cannot be read"),
        ("close in open", 1, "no part of the language"),
        ("close is open", 1, "no part of the language"),
        ("f'{close}'", 1, "no part of the language"),
        ("mean(close, 5)(1)", 1, "only a function of the language can be called"),
        ("__import__('os')", 1, "begins with '__'"),
        ("eval('1')", 1, "no function 'eval'"),
        ("close +", 7, "cannot be read from here on"),
        ("(close", 1, "cannot be read from here on"),
        ("close open", 1, "cannot be read from here on"),
        ("close + 'open", 9, '"\'" has no end'),
        ("$$eps", 1, "point-in-time"),
        ("", 1, "it is empty"),
        ("  ", 1, "it is empty"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text: str, place: int, says: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(text, columns=COLUMNS, lead=LABEL, key=KEY)
    message = str(caught.value)
    assert message.startswith(f"{KEY}: ")
    assert says in message
    assert f"(character {place})" in message or not text.strip()


@pytest.mark.parametrize("text", ["lag(lag(close, 20000d), 20000d)", "lead(lead(close, 400000h), 20000d)"])
def test_spans_are_bounded_together(text: str) -> None:
    with pytest.raises(TemplateError, match="looks further than a hundred years"):
        parse(text, columns=COLUMNS, lead=LABEL, key=KEY)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 300 + "close" + ")" * 300,
        "-" * 4000 + "close",
        "close" + " + close" * 400,
        "abs(" * 120 + "close" + ")" * 120,
        "close" + " " * LONGEST,
        "9" * 4999,
        "9" * 400,
        "2 ** " * 900 + "2",
        "not " * 1200 + "close",
    ],
)
def test_what_is_too_long_or_too_deep_is_refused_at_once(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(text, columns=COLUMNS, lead=LABEL)
    assert len(str(caught.value)) < 300


def test_sixty_columns_may_be_added() -> None:
    names = [f"f{number}" for number in range(DEEPEST - 5)]
    assert len(parse(" + ".join(names), columns=names, lead=None).columns) == len(names)


@settings(max_examples=300, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=60), st.text(alphabet="close open mean(,)+-*/<>=&|~'\"`$0123456789.hdw_e \n", max_size=60)
    )
)
@example("0x10")
@example("1e400")
@example("a.b")
@example("\x00")
@example("mean(close,5)\\")
def test_any_text_is_an_expression_or_an_error_of_the_template(text: str) -> None:
    with contextlib.suppress(TemplateError):
        assert parse(text, columns=COLUMNS, lead=LABEL).text
