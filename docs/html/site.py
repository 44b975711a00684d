"""Every Markdown page of the repository as HTML, with links that lead somewhere, and the API reference beside them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from string import Template

import markdown2
import pdoc.doc
import pdoc.render_helpers

import rollq
from docs.html import api

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/README.md", "docs/*.md", "docs/*/*.md", "*.md", "examples/*/*.md", "benchmarks/*.md")
# Heading of the navigation -> folder, in the order in which they are shown.
ROOMS = {
    "Start": "docs/quickstart",
    "How to": "docs/how-to",
    "Concepts": "docs/concepts",
    "Reference": "docs/reference",
    "Decisions": "docs/decisions",
}
EXTRAS = {name: option for name, option in pdoc.render_helpers.markdown_extensions.items() if name != "link-patterns"}
# Pages that tell of names that are gone, and of those of another package (docs/from_qlib checks them).
NOT_CHECKED = (Path("CHANGELOG.md"), Path("docs/reference/qlib-names.md"))
LINK = re.compile(r'(href|src)="([^"]*)"')
NAME = re.compile(r"<code>((?:rollq\.)?([A-Z]\w*)((?:\.\w+)?)(?:\([^<]*\))?)</code>")


def build(folder: Path) -> list[str]:
    """Build the site.

    Args:
        folder: where to; what was there is deleted.

    Returns:
        What is wrong: links that lead nowhere, names that do not exist, docstrings that are missing.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    module, problems = api.write(folder)
    pages = {path: path.read_text() for path in find_pages()}
    template = Template(Path(__file__).with_name("page.html").read_text())
    shutil.copy(Path(__file__).with_name("style.css"), folder / "style.css")
    for path, text in pages.items():
        page = Page(path, folder, pages)
        body = page.linked(page.named(markdown2.markdown(text, extras=EXTRAS), module))
        page.target.parent.mkdir(parents=True, exist_ok=True)
        page.target.write_text(template.substitute(title=title_of(text), up=page.up, nav=navigation(page), body=body))
        problems += page.problems
    shutil.copy(folder / "README.html", folder / "index.html")
    return problems + dead_links(folder)


def find_pages() -> list[Path]:
    """The pages, each once."""
    return list(dict.fromkeys(path for pattern in PAGES for path in sorted(ROOT.glob(pattern))))


def title_of(text: str) -> str:
    """The first heading of a page, without marks."""
    return text.partition("\n")[0].lstrip("# ").replace("`", "")


class Page:
    """One page on its way to HTML.

    Args:
        path: the Markdown file.
        folder: the site.
        pages: all pages and their texts.
    """

    def __init__(self, path: Path, folder: Path, pages: Mapping[Path, str]) -> None:
        self.path = path
        self.name = path.relative_to(ROOT)
        self.folder = folder
        self.pages = pages
        self.target = folder / self.name.with_suffix(".html")
        self.up = "../" * (len(self.name.parts) - 1)
        self.problems: list[str] = []

    def named(self, body: str, module: pdoc.doc.Module) -> str:
        """Link public names to the API reference; a name with an attribute that does not exist is a problem."""

        def link(found: re.Match[str]) -> str:
            text, name, attribute = found[1], found[2], found[3]
            if name not in rollq.__all__ or self.name in NOT_CHECKED:
                return found[0]
            anchor = api.anchor_of(module, name, attribute)
            if anchor is None:
                self.problems.append(f"{self.name}: {name}{attribute} does not exist")
                return found[0]
            return f'<a href="{self.up}{api.PAGE}#{anchor}"><code>{text}</code></a>'

        return NAME.sub(link, body)

    def linked(self, body: str) -> str:
        """Turn links to pages into links to their HTML; bring along other files that are linked to."""

        def link(found: re.Match[str]) -> str:
            target, _, anchor = found[2].partition("#")
            if not target or "://" in target or target.startswith(self.up + "api/"):
                return found[0]
            path = (self.path.parent / target).resolve()
            if path in self.pages:
                return f'{found[1]}="{Path(target).with_suffix(".html")}{"#" + anchor if anchor else ""}"'
            if path.is_file():
                copy = self.folder / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
            else:
                self.problems.append(f"{self.name}: {target} does not exist")
            return found[0]

        return LINK.sub(link, body)


def navigation(page: Page) -> str:
    """The list of all pages, as seen from one of them."""
    rows = [_entry(page, page.up + "index.html", "rollq")]
    rows += [_entry(page, page.up + api.PAGE, "API reference")]
    rows += [_row(page, path) for path in page.pages if path.parent == ROOT / "docs" and path.name != "README.md"]
    for heading, room in ROOMS.items():
        rows += [f"<h2>{heading}</h2>", *(_row(page, path) for path in page.pages if path.parent == ROOT / room)]
    others = [path for path in page.pages if "docs" not in path.parts[len(ROOT.parts) :] and path != ROOT / "README.md"]
    return "\n".join([*rows, "<h2>More</h2>", *(_row(page, path) for path in others)])


def _row(page: Page, path: Path) -> str:
    href = page.up + str(path.relative_to(ROOT).with_suffix(".html"))
    return _entry(page, href, title_of(page.pages[path]), here=path == page.path)


def _entry(page: Page, href: str, text: str, here: bool = False) -> str:
    return f'<a {"class=here " if here else ""}href="{href}">{text}</a>'


class Anchors(HTMLParser):
    """The ids and the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()

    @classmethod
    def of(cls, text: str) -> Anchors:
        """Those of a text."""
        found = cls()
        found.feed(text)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag is called, leads to and loads."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)
                if tag != "a":
                    self.loaded.add(value)


def dead_links(folder: Path) -> list[str]:
    """Links between the pages of a site that lead nowhere, and what a page would load from the network."""
    pages = {path: Anchors.of(path.read_text()) for path in folder.rglob("*.html")}
    problems = []
    for path, found in pages.items():
        name = path.relative_to(folder)
        problems += [f"{name} loads {link}" for link in found.loaded if "://" in link]
        for link in sorted(found.links):
            file, _, anchor = link.partition("#")
            if "://" in link or link.startswith("data:"):
                continue
            target = (path.parent / file).resolve() if file else path
            if not target.exists():
                problems.append(f"{name}: {link} does not exist")
            elif anchor and target in pages and anchor not in pages[target].ids:
                problems.append(f"{name}: {link} has no such heading")
    return problems
