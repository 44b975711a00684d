"""The members of a template: its models that serve together, and which of their windows have rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.definition import Definition, segments_of
from rollq.tasks.errors import DataError
from rollq.tasks.rolling.cutter import WindowCutter, Windows
from rollq.tasks.rolling.members.expansion import members_of, values_of
from rollq.tasks.rolling.members.per import KEY
from rollq.tasks.rolling.members.presence import Presence
from rollq.tasks.rolling.members.role import role_of
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rolling.template import Template


class Members:
    """The models of one template by name, as its data are now.

    Args:
        template: with what was accepted of its data.
        cutter: what cuts the windows of one of them; of ``BASE``: those of all rows.
    """

    def __init__(self, template: Template, cutter: Callable[[str], WindowCutter]) -> None:
        self._template = template
        self._cutter = cutter
        self._presences: dict[str, Presence] = {}

    @cached_property
    def definitions(self) -> Mapping[str, Definition]:
        """Those that serve together; empty if one serves alone.

        Raises:
            DataError: the data cannot be read, or a row has no value of the column that models are divided by.
        """
        template = self._template
        if template.members:
            return template.members
        values = values_of(self._whole, template.per) if template.per else ()
        return members_of(template.definition, template.per, values, template.horizons)

    def check(self) -> None:
        """Look at the data as a whole, and whether each row belongs to one model. Raises as ``definitions``."""
        if not self._template.per:
            return
        self._cutter(BASE).check_data()
        groups = {role_of(definition).group: name for name, definition in self.definitions.items()}
        rows, own = Presence(self._whole).rows, sum(self.presence(name).rows for name in groups.values())
        if own != rows:
            column = self._template.per.column
            raise DataError(
                f"{KEY}: {abs(rows - own)} of {rows} rows have {'no' if own < rows else 'more than one'} {column!r}.",
                "Give each row one value of it, or leave these rows out of the data.",
            )

    def presence(self, name: str) -> Presence:
        """On which sessions a member has rows."""
        if name not in self._presences:
            cutter = self._cutter(name)
            if cutter.sessions != self._cutter(BASE).sessions:
                what = f"the dataset of {name} has other sessions than that of all rows."
                raise DataError(f"{KEY}: {what}", "Let a dataset with only keep the sessions of all rows.")
            self._presences[name] = Presence(cutter.dataset)
        return self._presences[name]

    def fitting(self, name: str, windows: Windows, known: str | None = None) -> Windows:
        """Those of the windows of a member in which it has rows; of other models all of them.

        Args:
            known: no later session is looked at; None: whatever the day.
        """
        per = self._template.per
        if per is None or name == BASE:
            return windows
        presence = self.presence(name)
        kept = tuple(one for one in windows.definitions if presence.fits(one, per, known))
        tests = [segments_of(one)["test"] for one in kept]
        days = [day for day in windows.sessions if any(str(a) <= day <= str(b) for a, b in tests)]
        return Windows(kept, tuple(days))

    def remarks(self, planned: Mapping[str, Windows], known: str | None = None) -> tuple[str, ...]:
        """Which values have no model, or no rows any more.

        Args:
            planned: the windows of each member that has some.
            known: no later session is looked at; None: whatever the day.
        """
        per = self._template.per
        if per is None:
            return ()
        last = known or self._cutter(BASE).sessions[-1]
        found = []
        for name in planned:
            role, presence = role_of(self.definitions[name]), self.presence(name)
            ends = presence.last(last)
            if role.order or not ends:  # one line for each value; one that is yet to come is not known
                continue
            if ends < last:
                found.append(f"{role.group} has no row after {ends}.")
            elif not planned[name].definitions:
                found.append(f"{role.group} has no model yet: it has labels on too few sessions of train.")
        return tuple(found)

    @property
    def _whole(self) -> Dataset:
        return self._cutter(BASE).dataset
