"""What can be predicted of a table, and from what: features, label, model, as the kind of the table suggests."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from rollq.tasks.errors import DataError
from rollq.workers.expressions.functions.catalog import FUNCTIONS
from rollq.workers.expressions.sets.named import SETS
from rollq.workers.tables.arrow_columns import CATEGORY, NUMBER
from rollq.workers.tables.profile.profile import Profile
from rollq.workers.tables.profile.roles import ColumnProfile

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset(FUNCTIONS) | {"and", "or", "not", "in", "is", "if", "else", "lambda", "True", "False", "None"}
WINDOWS = (5, 20, 60)
LONG = 12  # times as many rows as the longest window: then it may be used
ALPHA, SETS_LOOK_BACK = "alpha158", 60
# Rows of a season, and how far ahead is predicted, by how often a table has rows.
SEASONS: Mapping[str, tuple[int, int]] = {
    "daily": (7, 7),
    "weekly": (52, 4),
    "monthly": (12, 1),
    "quarterly": (4, 1),
    "yearly": (1, 1),
}
CALENDAR: Mapping[str, tuple[str, ...]] = {
    "daily": ("weekday", "month"),
    "weekly": ("week",),
    "monthly": ("month",),
    "quarterly": ("quarter",),
}
FEW_NAMES = 10  # instruments from which on ranks across them say something
MANY = 40  # further columns from which on they are named by a pattern
FEW_TEXTS = 200  # of a category
ZEROS = 0.01


@dataclass(frozen=True)
class Recipe:
    """What a template predicts, and from what.

    Attributes:
        kind: prices, demand or values.
        features: entries, each with a comment or none.
        label, label_said: the expression, or a mapping in YAML; and what it means.
        lookback, lookahead: sessions.
        kwargs: further keys of the dataset, in YAML, with a comment each.
        model: keywords of LGBModel.
    """

    kind: str
    target: str
    features: list[tuple[str, str]]
    label: str
    label_said: str
    lookback: int
    lookahead: int
    kwargs: list[tuple[str, str, str]] = field(default_factory=list)
    model: dict[str, object] = field(default_factory=dict)


def recipe_for(profile: Profile) -> Recipe:
    """A recipe for a table.

    Raises:
        DataError: it has no column of numbers.
    """
    # What has the mark of quotes in its name cannot be written in an expression.
    profile = replace(profile, columns=tuple(one for one in profile.columns if "`" not in one.name))
    roles = {role: name for role, name in profile.roles.items() if _varies(profile.column(name)) or role == "member"}
    price = roles.get("close") or roles.get("price")
    target = roles.get("target")
    if price is not None and (target is None or "close" in roles):
        return _of_prices(profile, price)
    column = profile.column(target or _any_number(profile))
    counted = not column.negative and column.zeros > ZEROS
    return _of_values(profile, column, "demand" if counted else "values")


def quoted(name: str) -> str:
    """A column in an expression."""
    return name if PLAIN.fullmatch(name) and name not in RESERVED else f"`{name}`"


def _varies(column: ColumnProfile) -> bool:
    """Whether it has more than one value; a column without a value has none."""
    return column.kind != NUMBER or column.least != column.most


def _any_number(profile: Profile) -> str:
    """The first column that varies, and is known of nothing else."""
    numbers = [one for one in profile.columns if one.kind == NUMBER and one.least is not None]
    if not numbers:
        texts = ", ".join(one.name for one in profile.columns if one.kind == CATEGORY)
        fix = f"Columns of texts: {texts or 'none'}. Numbers have no marks of thousands, currencies or percents."
        raise DataError(f"{profile.path} has no column of numbers.", fix)
    for wanted in ({"feature", "return", "turnover", "volume", "price"}, {one.role for one in numbers}):
        found = [one.name for one in numbers if one.role in wanted and one.least != one.most]
        if found:
            return found[0]
    raise DataError(f"No column of numbers in {profile.path} varies.", "There is nothing to predict in it.")


def _of_prices(profile: Profile, price: str) -> Recipe:
    """Returns of prices: what moved, how much it varied, and what the other columns say."""
    roles, sessions = profile.roles, len(profile.sessions)
    features, longest = _of_a_set(profile, price) or _of_bars(profile, price)
    horizon = 5 if sessions * profile.frequency.a_day > 60 else 1
    used = {price, *(roles[name] for name in ("open", "high", "low", "volume", "turnover", "vwap") if name in roles)}
    features += list(_others(profile, used))
    close = quoted(price)
    label = f"lead({close}, {1 + horizon}) / lead({close}, 1) - 1"
    said = f"the return over {horizon} rows after the next one"
    ranked = len(profile.instruments) >= FEW_NAMES
    kwargs = list(_common(profile, used))
    rank = "features and label become their rank at each time"
    if ranked:
        kwargs.append(("normalize", "rank", rank))
    if price != "close":
        kwargs.append(("data_checks", f"{{price: {json_text(price)}}}", "the column that is looked at for jumps"))
    a_day = profile.frequency.a_day
    back, ahead = math.ceil(longest / a_day) + 1, math.ceil((horizon + 1) / a_day)
    return Recipe("prices", price, features, label, said, back, ahead, kwargs, _model(profile, "mse"))


def _of_a_set(profile: Profile, price: str) -> tuple[list[tuple[str, str]], int] | None:
    """A named set, where its columns are there and the table is long enough; with its longest window."""
    names = {one.name.lower() for one in profile.columns if one.kind == NUMBER}
    if price.lower() != "close" or len(profile.sessions) * profile.frequency.a_day < LONG * SETS_LOOK_BACK:
        return None
    if set(SETS[ALPHA].required) <= names:
        return [(ALPHA, "Qlib's 158 features of daily bars")], SETS_LOOK_BACK
    return [("price_volume", "changes, trends, ranges and risk; alpha158 needs volume and vwap, too")], SETS_LOOK_BACK


def _of_bars(profile: Profile, price: str) -> tuple[list[tuple[str, str]], int]:
    """Expressions of prices, with windows that a short table allows; with the longest window."""
    roles, rows = profile.roles, len(profile.sessions) * profile.frequency.a_day
    windows = [one for one in WINDOWS if one * LONG <= rows] or [2]
    close, longest = quoted(price), windows[-1]
    features = [(f"{close} / lag({close}, {one}) - 1", "") for one in (1, *windows)]
    features += [(f"std(log_change({close}), {one})", "") for one in windows]
    features += [(f"{close} / mean({close}, {one}) - 1", "") for one in windows]
    if {"open", "high", "low"} <= set(roles):
        opened, high, low = (quoted(roles[name]) for name in ("open", "high", "low"))
        features += [(f"({close} - {opened}) / {opened}", ""), (f"({high} - {low}) / {close}", "the day's range")]
        features += [(f"max({high}, {longest}) / {close} - 1", ""), (f"min({low}, {longest}) / {close} - 1", "")]
    traded = roles.get("volume") or roles.get("turnover")
    if traded is not None:
        amount = quoted(traded)
        features.append((f"{amount} / (mean({amount}, {longest}) + 1)", "more than usual?"))
    return features, longest


def _of_values(profile: Profile, column: ColumnProfile, kind: str) -> Recipe:
    """Values of a series: the last ones, those of a season ago, and the calendar."""
    target, frequency = quoted(column.name), profile.frequency
    sessions, hours = len(profile.sessions), frequency.a_day > 1
    features: list[tuple[str, str]] = [(target, "")]
    if hours:
        ahead, seasons = "24h", [("24h", 2), ("6d", 7)]
        features += [(f"lag({target}, {span})", "") for span, days in seasons if days * 4 <= sessions]
        features += [(f"mean({target}, 24h)", ""), (f"std({target}, 24h)", "")]
        features += [("hour", "of the row: that of the label, a day later"), ("weekday", "")]
        back, lookahead = 8 if sessions >= 28 else 3, 1
        said = "the value 24 hours later"
    else:
        season, rows = SEASONS.get(frequency.name, (5, 1))
        if frequency.name == "daily":
            season = rows = len(frequency.weekdays) or 7
        if season * 4 > sessions:
            season, rows = max(1, sessions // 8), rows if rows * 20 <= sessions else 1
        ahead, lookahead = str(rows), rows
        lags = sorted({one for one in (1, season - rows, season, 2 * season - rows) if one > 0 and one * 6 <= sessions})
        features += [(f"lag({target}, {one})", "") for one in lags]
        windows = [one for one in (season, 4 * season) if one > 1 and one * 6 <= sessions]
        features += [(f"mean({target}, {one})", "") for one in windows]
        features += [(f"std({target}, {one})", "") for one in windows[:1] if one > 2]
        back = max([1, *lags, *windows]) + 1
        features += [(name, "") for name in CALENDAR.get(frequency.name, ()) if name not in _names(profile)]
        said = f"the value {rows} rows later"
    for one in profile.columns:
        if one.role == "known" and one.kind == NUMBER and one.name != column.name:
            features.append((f"lead({quoted(one.name)}, {ahead})", "known in advance, for the time of the label"))
    used = {column.name, *(one.name for one in profile.columns if one.role == "known" and one.kind == NUMBER)}
    features += list(_others(profile, used))
    kwargs = list(_common(profile, used))
    known = [one.name for one in profile.columns if one.role == "known" and one.kind == NUMBER]
    if known:
        spans = ", ".join(f'"{name}": {ahead}' for name in known)
        kwargs.append(("known_ahead", f"{{{spans}}}", "a guess, by their names: how far ahead each is known"))
    loss = "binary" if column.flag else "tweedie" if kind == "demand" else "mse"
    label = f"lead({target}, {ahead})"
    if column.flag or (kind == "demand" and column.whole):
        label = f'{{expression: "{label}", kind: {"binary" if column.flag else "count"}}}'
    if column.name == "close":
        kwargs.append(("data_checks", "{price: false}", "it is no price: it is negative, or 0"))
    return Recipe(kind, column.name, features, label, said, back, lookahead, kwargs, _model(profile, loss))


def _names(profile: Profile) -> set[str]:
    return {one.name for one in profile.columns}


def _others(profile: Profile, used: set[str]) -> Iterator[tuple[str, str]]:
    """The further columns of numbers; many that are called alike by a pattern."""
    kept = {"member", "weight", "empty", "known", "target"}
    names = [
        one.name
        for one in profile.columns
        if one.kind == NUMBER and one.name not in used and (one.role not in kept or one.role == "target")
    ]
    parts = {*_parts(profile, "time"), *_parts(profile, "instrument")}
    names = [name for name in names if _varies(profile.column(name)) and name not in parts]
    if len(names) <= MANY:
        yield from ((quoted(name), "") for name in names)
        return
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(re.sub(r"\d.*", "", name), []).append(name)
    for stem, alike in stems.items():
        taken = [name for name in profile.columns if name.name.startswith(stem)]
        # A pattern takes all columns that fit it, used ones too: those are named one by one.
        if stem and len(alike) > 3 and len(taken) == len(alike) and PLAIN.fullmatch(stem):
            yield f"{stem}*", f"{len(alike)} columns"
        else:
            yield from ((quoted(name), "") for name in alike)


def _parts(profile: Profile, key: str) -> list[str]:
    """The columns that a time or an instrument is made of."""
    value = profile.keys.get(key)
    return [str(one) for one in value] if isinstance(value, list) else []


def _common(profile: Profile, used: set[str]) -> Iterator[tuple[str, str, str]]:
    """Keys for categories, membership and weights."""
    texts = [one.name for one in profile.columns if one.kind == CATEGORY and 1 < one.distinct <= FEW_TEXTS]
    texts += [name for name in _parts(profile, "instrument") if name not in texts]
    if texts:
        yield (
            "categorical",
            f"[{', '.join(json_text(name) for name in texts)}]",
            "texts that the model sees as codes",
        )
    roles = profile.roles
    if "member" in roles:
        yield "universe", f"{{column: {json_text(roles['member'])}}}", "only rows where it is 1; features see all rows"
    if "weight" in roles and roles["weight"] not in used:
        column = profile.column(roles["weight"])
        if not column.negative:
            yield "# weight", quoted(roles["weight"]), "rows with more weight count more in training"


def json_text(name: str) -> str:
    """A name as a text of YAML, in quotes if it could be read as something else."""
    plain = PLAIN.fullmatch(name) and name.lower() not in ("null", "true", "false")
    return name if plain else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _model(profile: Profile, loss: str) -> dict[str, object]:
    """Keywords of LGBModel: trees whose leaves are not smaller than a small table allows."""
    leaf = min(200, max(5, profile.rows // 500))
    return {"loss": loss, "num_boost_round": 100, "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": leaf}
