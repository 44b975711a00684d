"""The documentation: links lead somewhere, and the reference is complete."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import rollq
from rollq import Settings
from rollq.tasks import errors

ROOT = Path(__file__).parents[3]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    """History names files that are gone; every other page must not."""
    if page.name != "CHANGELOG.md":
        named = re.findall(
            r"(?<![\w./-])((?:docs|tasks|workers|scheduler|rollq|tests|benchmarks|deploy|examples)/[\w./-]+\.\w+)",
            page.read_text(),
        )
        assert [name for name in named if not (ROOT / name).exists() and not (page.parent / name).exists()] == []


def test_every_setting_is_described() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()
    assert [name for name in Settings.model_fields if f"`{name}`" not in text] == []


def test_every_exit_code_is_described() -> None:
    text = (ROOT / "docs/reference/exit-codes.md").read_text()
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RollqError)]
    assert {kind.exit_code for kind in kinds} == {1, 2, 3, 4, 5}
    for kind in kinds:
        assert f"| {kind.exit_code} |" in text


def test_every_dependency_has_a_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "docs/decisions/dependencies.md").read_text()
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    for requirement in [*project["dependencies"], *extras]:
        name = re.split(r"[<>=\[ ]", requirement)[0]
        assert name in text or name == "rollq", name


def test_every_public_name_can_be_imported_and_says_what_it_is() -> None:
    for name in rollq.__all__:
        assert getattr(rollq, name).__doc__, name
    with pytest.raises(AttributeError):
        rollq.nonsense  # noqa: B018


def test_the_glossary_gives_each_word_one_meaning() -> None:
    rows = re.findall(r"^\| (\*\*.+?) \| (.+) \|$", (ROOT / "docs/glossary.md").read_text(), re.M)
    words = [word.lower() for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row[0])]
    assert len(words) > 90
    assert sorted(set(words)) == sorted(words)
