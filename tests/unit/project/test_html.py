"""The documentation as HTML: it builds without a warning, its links lead somewhere, and it needs no network."""

from __future__ import annotations

import types
from pathlib import Path

import pdoc.doc
import pytest

import rollq
from docs.html import api, site


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert site.build(folder) == []
    return folder


def test_every_page_is_there(built: Path) -> None:
    assert (built / "index.html").exists()
    for page in site.find_pages():
        assert (built / page.relative_to(site.ROOT).with_suffix(".html")).exists(), page


def test_every_public_name_is_described(built: Path) -> None:
    text = (built / api.PAGE).read_text()
    assert [name for name in rollq.__all__ if f'id="{name}"' not in text and name != "__version__"] == []


def test_names_on_pages_lead_to_the_reference(built: Path) -> None:
    assert 'href="../../api/rollq.html#PredUpdater"' in (built / "docs/reference/differences.html").read_text()


def test_dead_links_and_what_needs_a_network_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        """<script src="https://cdn.example/x.js"></script>
        <a href="b.html">b</a> <a href="#c">c</a> <h2 id="d"><a href="#d">d</a>"""
    )
    assert site.dead_links(tmp_path) == [
        "a.html loads https://cdn.example/x.js",
        "a.html: #c has no such heading",
        "a.html: b.html does not exist",
    ]


def test_what_docstrings_lack_is_found() -> None:
    def described(given: int, other: int = 0) -> None:
        """Says.

        Args:
            gone: no parameter.
        """

    def silent() -> None:
        pass

    module = types.ModuleType("shown", "A module.")
    module.__dict__.update(described=described, silent=silent, __all__=["described", "silent"])
    assert list(api.missing(pdoc.doc.Module(module))) == [
        "described describes gone, which is no parameter",
        "described describes its parameters, but not given",
        "described describes its parameters, but not other",
        "silent has no docstring",
    ]
