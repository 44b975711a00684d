"""The reference of the public names, ``rollq.__all__``, made from their docstrings by pdoc.

What pdoc does not look at is looked at here: everything has a docstring, and the arguments and names in it exist.
"""

from __future__ import annotations

import re
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc.doc
import pdoc.render

import rollq

PAGE = "api/rollq.html"
ARGS = re.compile(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", re.MULTILINE)
ATTRIBUTE = re.compile(r'href="#(\w+)(\.\w+)"')
UNLINKED = re.compile(r"<code>(?:rollq\.)?([A-Z]\w*)((?:\.\w+)+)(?:\(\))?</code>")


def public_module() -> pdoc.doc.Module:
    """The package as pdoc sees it, with the names that are otherwise imported on first use."""
    front = types.ModuleType("rollq", rollq.__doc__)
    front.__dict__.update({name: getattr(rollq, name) for name in rollq.__all__ if name != "__version__"})
    front.__dict__["__all__"] = [name for name in rollq.__all__ if name != "__version__"]
    return pdoc.doc.Module(front)


def write(folder: Path) -> tuple[pdoc.doc.Module, list[str]]:
    """Write the reference; returns what it describes, and what is wrong with it: warnings of pdoc, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = public_module()
        pdoc.render.configure(
            docformat="google",
            footer_text=f"rollq {rollq.__version__}",
            show_source=False,
            search=False,
            template_directory=Path(__file__).parent,
        )
        text = pdoc.render.html_module(module, {"rollq": module})
    text = _inherited(text)
    (folder / PAGE).parent.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(text)
    problems = [f"{warning.filename}: {warning.message}" for warning in caught]
    problems += [f"API: {ref[0]}{ref[1]} does not exist" for ref in UNLINKED.findall(text) if ref[0] in rollq.__all__]
    return module, problems + [f"API: {problem}" for problem in missing(module)]


def anchor_of(module: pdoc.doc.Module, name: str, attribute: str) -> str | None:
    """Where the reference describes an attribute, written ``.name`` or empty, of a public name; None: there is none."""
    if name == "R":
        name = "Workflow"
    doc = module.members.get(name)
    if not attribute or not isinstance(doc, pdoc.doc.Class):
        return None if attribute else name
    member = doc.members.get(attribute[1:])
    if member is None:
        return None
    return name + attribute if member in doc.own_members else name


def missing(module: pdoc.doc.Module) -> Iterator[str]:
    """What the docstrings of a module lack."""
    for doc in _documented(module):
        if not doc.docstring.strip():
            yield f"{doc.qualname} has no docstring"
        parameters = _parameters(doc)
        described = _described(doc.docstring)
        if parameters is not None:
            for name in sorted(described - parameters):
                yield f"{doc.qualname} describes {name}, which is no parameter"
            for name in sorted(parameters - described if described else ()):
                yield f"{doc.qualname} describes its parameters, but not {name}"


def _inherited(text: str) -> str:
    """Let links to inherited attributes lead to the class that inherits them: pdoc describes them at the base only."""
    ids = set(re.findall(r'id="([^"]+)"', text))
    return ATTRIBUTE.sub(lambda found: found[0] if found[1] + found[2] in ids else f'href="#{found[1]}"', text)


def _documented(module: pdoc.doc.Module) -> Iterator[pdoc.doc.Class | pdoc.doc.Function]:
    """The classes and functions of a module, and the methods that are rollq's own."""
    for doc in module.members.values():
        if isinstance(doc, pdoc.doc.Class):
            yield doc
            for member in doc.own_members:
                if isinstance(member, pdoc.doc.Function) and not member.name.startswith("_"):
                    yield member
        elif isinstance(doc, pdoc.doc.Function):
            yield doc


def _parameters(doc: pdoc.doc.Class | pdoc.doc.Function) -> set[str] | None:
    """Names of the parameters of a function, or of what makes an object of a class; None: unknown."""
    made = doc.members.get("__init__") if isinstance(doc, pdoc.doc.Class) else doc
    return set(made.signature.parameters) - {"self"} if isinstance(made, pdoc.doc.Function) else None


def _described(docstring: str) -> set[str]:
    """The names under ``Args:``."""
    section = ARGS.search(docstring)
    if not section:
        return set()
    lines = [line for line in section[1].splitlines() if line.strip()]
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    heads = [line.strip().partition(":")[0] for line in lines if len(line) - len(line.lstrip()) == indent]
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}
