"""What a template says of a table's dataset, checked before anything is read; and what it means for a certain table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, reduce

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import canonical
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.workers.datasets.plan.brackets import check_brackets
from rollq.workers.datasets.plan.features import Entry, expressions_of, read_entries
from rollq.workers.datasets.plan.label import TableLabel, read_label, read_span
from rollq.workers.datasets.plan.residual import against
from rollq.workers.datasets.plan.universe import Universe, read_universe
from rollq.workers.datasets.plan.weight import Weight, read_weight
from rollq.workers.expressions.expression import LABEL, Expression, parse
from rollq.workers.expressions.span import Span
from rollq.workers.tables.table_spec import TABLE_KEYS, TableSpec

KEY = "dataset.kwargs"
CHECKS_KEY, CATEGORICAL_KEY = f"{KEY}.data_checks", f"{KEY}.categorical"
NORMALIZE = ("rank", "none")
PRICE = "close"  # the column of prices, where there is one of this name and it is used
BARS = ("open", "high", "low")


@dataclass(frozen=True)
class Plan:
    """What a panel is to be made of. Everything in ``written`` says what its rows and values are, and nothing else."""

    spec: TableSpec
    entries: tuple[Entry, ...]
    categorical: tuple[str, ...]
    label: TableLabel
    weight: Weight | None
    universe: Universe
    known_ahead: Mapping[str, Span]
    rank: bool
    checks: DataChecks
    written: Mapping[str, object]

    def on(self, columns: Mapping[str, str]) -> TablePlan:
        """What it means for a table.

        Args:
            columns: of the table, with their kinds.
        """
        return TablePlan(self, columns)


@dataclass(frozen=True)
class TablePlan:
    """A plan for a table whose columns are known.

    Raises:
        TemplateError: from each of the properties: a column is unknown, or is no number where it must be one.
    """

    plan: Plan
    columns: Mapping[str, str]

    @property
    def read_as(self) -> dict[str, object]:
        """How the table is read, beside the content of its files: JSON-able."""
        return self.plan.spec.to_dict()

    @cached_property
    def features(self) -> dict[str, Expression]:
        """The expression of each feature, categorical ones too, in order."""
        plan = self.plan
        for name in plan.known_ahead:
            if name not in self.columns:
                fix = did_you_mean(name, self.columns)
                raise TemplateError(f"there is no column {name!r}.", fix, f"{KEY}.known_ahead.{name}")
        found = expressions_of(plan.entries, self.columns, plan.known_ahead, plan.label.column)
        for name in plan.categorical:
            if name not in found:
                # A calendar feature, or a column of texts or numbers.
                text = f"`{name}`" if name in self.columns else name
                found[name] = parse(text, columns=self.columns, lead=plan.known_ahead, key=CATEGORICAL_KEY)
        return found

    @cached_property
    def label(self) -> Expression:
        """The label, before anything is subtracted from it."""
        return parse(self.plan.label.text, columns=self.columns, lead=LABEL, key=self.plan.label.key)

    @cached_property
    def against(self) -> Expression | str | None:
        """What is subtracted from the label: an expression, or the instrument whose label is."""
        return against(self.plan.label, self.label, self.columns)

    @cached_property
    def weight(self) -> Expression | None:
        """The weight, but for that of age."""
        weight = self.plan.weight
        if weight is None or weight.text is None:
            return None
        return parse(weight.text, columns=self.columns, lead=None, key=f"{KEY}.weight")

    @cached_property
    def rules(self) -> list[Expression]:
        """The expressions of the universe."""
        texts = self.plan.universe.texts
        return [parse(text, columns=self.columns, lead=None, key=f"{KEY}.universe") for text in texts]

    @cached_property
    def known_until(self) -> list[Span]:
        """How far after the present everything is known that a row is made of: the nearest of these distances. Rows of
        which nothing is missing can be predicted so far ahead.
        """
        known = self.plan.known_ahead
        made = [*self.features.values(), *self.rules]
        return [known.get(column, Span()) + -one.last_of(column) for one in made if known for column in one.columns]

    @cached_property
    def labels(self) -> list[Expression]:
        """All expressions that the label is made of."""
        return [self.label, *([self.against] if isinstance(self.against, Expression) else [])]

    @property
    def label_ahead(self) -> Span:
        """How far the label looks ahead, or says that it does."""
        return reduce(Span.farthest, (one.lookahead for one in self.labels), self.plan.label.declared)

    @property
    def is_apart(self) -> bool:
        """Whether what is made of an instrument depends on its own rows alone."""
        plan, all_of_it = self.plan, (*self.past, *self.labels)
        looks_across = plan.rank or plan.label.classes is not None or isinstance(self.against, str)
        return not looks_across and not any(one.across for one in all_of_it)

    @cached_property
    def past(self) -> list[Expression]:
        """All expressions but the label's."""
        return [one for _, _, one in self.past_by_key]

    @cached_property
    def past_by_key(self) -> list[tuple[str, str, Expression]]:
        """The same, each with its key in the template and what it is called."""
        features = [(f"{KEY}.features", name, one) for name, one in self.features.items()]
        rules = [(f"{KEY}.universe", one.text, one) for one in self.rules]
        return [*features, *rules, *([(f"{KEY}.weight", self.weight.text, self.weight)] if self.weight else [])]

    @cached_property
    def unknown_yet(self) -> set[str]:
        """The columns that the label is made of, where a row's own value of them is not known with the row."""
        label = self.plan.label
        if label.column is None and self.label_ahead:
            return set()  # how far it looks at its columns is in its text
        made = {name for one in self.labels for name in one.columns}
        always = {label.column} if label.column and label.declared else set()
        return made - set(self.plan.known_ahead) | always

    @cached_property
    def used(self) -> tuple[str, ...]:
        """The columns that are used, sorted; that of prices says which rows there are."""
        return tuple(sorted({*self._named, *([self.price] if self.price else [])}))

    @cached_property
    def numbers(self) -> dict[str, str]:
        """The columns that are computed with, and the key that does so: texts would be computed with as what they are
        numbered by.
        """
        features = [one for name, one in self.features.items() if not (name in self.plan.categorical and one.column)]
        made = [(f"{KEY}.features", one) for one in features]
        made += [(self.plan.label.key, one) for one in self.labels]
        made += [(f"{KEY}.weight", one) for one in [self.weight] if one is not None]
        made += [(f"{KEY}.universe", one) for one in self.rules]
        priced = {self.price: "data_checks.price"} if self.price else {}
        return {**priced, **{name: f"{key}: {one.text}" for key, one in reversed(made) for name in one.numbers}}

    @cached_property
    def _named(self) -> set[str]:
        return {name for one in (*self.past, *self.labels) for name in one.columns}

    @cached_property
    def price(self) -> str | None:
        """The column of prices.

        Raises:
            TemplateError: ``data_checks`` names one that there is not.
        """
        named = self.plan.checks.price
        if named is None:
            return PRICE if PRICE in self._named and self.columns.get(PRICE) == "number" else None
        if named is False:
            return None
        if str(named) not in self.columns:
            fix = did_you_mean(str(named), self.columns) or "Name a column of numbers, or write price: false."
            raise TemplateError(f"there is no column of prices {named!r}.", fix, "data_checks.price")
        return str(named)

    @property
    def bars(self) -> list[str]:
        """The columns that are compared with the price, where it is called close."""
        return [name for name in BARS if self.price == PRICE and self.columns.get(name) == "number"]

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The columns that are used or looked at."""
        return tuple(sorted({*self.used, *self.bars}))


def read_plan(kwargs: Mapping[str, object]) -> Plan:
    """The plan that the kwargs of a dataset describe.

    Raises:
        TemplateError: a value cannot be used.
    """
    for name in ("features", "label", "weight", "universe"):
        check_brackets(kwargs.get(name), f"{KEY}.{name}")
    normalize = kwargs.get("normalize", "none")
    if normalize not in NORMALIZE:
        raise TemplateError(f"{normalize!r} is unknown.", f"Use one of {', '.join(NORMALIZE)}.", f"{KEY}.normalize")
    entries = read_entries(kwargs.get("features") or kwargs.get("categorical"))
    if not kwargs.get("features"):
        entries = []
    return Plan(
        TableSpec.of(kwargs),
        tuple(entries),
        _names(kwargs.get("categorical"), CATEGORICAL_KEY),
        read_label(kwargs.get("label")),
        read_weight(kwargs.get("weight")),
        read_universe(kwargs.get("universe")),
        _known_ahead(kwargs.get("known_ahead"), f"{KEY}.known_ahead"),
        normalize == "rank",
        DataChecks.of(kwargs.get("data_checks"), CHECKS_KEY),
        {name: canonical(kwargs.get(name)) for name in WRITTEN},
    )


def check_keys(table: Mapping[str, object], given: Mapping[str, object]) -> None:
    """Refuse keys that neither the dataset nor its table has.

    Args:
        table: keys that are to be the table's.
        given: those of the dataset.

    Raises:
        TemplateError: there is one.
    """
    for name in table:
        if name not in TABLE_KEYS:
            if name in {one.name for one in fields(DataChecks)}:
                fix = f"It belongs under data_checks: {{{name}: {table[name]}}}."
                raise TemplateError(f"TableDataset has no parameter {name!r}.", fix, f"{KEY}.{name}")
            known = sorted({*TABLE_KEYS, *given, "label", "segments"})
            raise TemplateError(f"TableDataset has no parameter {name!r}.", did_you_mean(name, known), f"{KEY}.{name}")


def label_kind_of(plan: Plan) -> str:
    """What the label is, as far as it goes without the table: a template is checked before there are data."""
    label = plan.label
    expression = parse(label.text, columns=None, lead=LABEL)
    named = plan.checks.price
    price = PRICE if named is None else None if named is False else str(named)
    return label.kind_by(price, expression)


def read_only(only: object) -> tuple[str, str] | None:
    """The column and the value of ``only``; None: all rows.

    Raises:
        TemplateError: it is no mapping of one column.
    """
    if only is None:
        return None
    if not isinstance(only, Mapping) or len(only) != 1:
        raise TemplateError("it is one column and its value.", "Write only: {zone: DE}.", f"{KEY}.only")
    ((column, value),) = only.items()
    return str(column), str(value)


WRITTEN = ("features", "categorical", "label", "universe", "known_ahead", "normalize")


def _names(value: object, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise TemplateError(f"{value!r} is no list of names.", "Write [sector, weekday].", key)
    return tuple(dict.fromkeys(value))


def _known_ahead(spec: object, key: str) -> dict[str, Span]:
    if spec is None:
        return {}
    if not isinstance(spec, Mapping):
        raise TemplateError("it says how far columns are known.", "Write {temperature: 24h, promo: 14}.", key)
    return {str(name): read_span(value, f"{key}.{name}") for name, value in spec.items()}
