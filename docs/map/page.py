"""The whole map as one SVG, readable on light and on dark paper; the same source gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docs.map.band import DROP, GAP, MARGIN, Band
from docs.map.imports import FOLDERS, ROOT, imports, modules

STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --edge: #8c959f; --box: #ffffff;
        --rollq: #ddf4ff; --scheduler: #fff1d6; --workers: #dafbe1; --tasks: #f1e8ff; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b3; --edge: #6e7681; --box: #161b22;
          --rollq: #0c2d4a; --scheduler: #3a2a0a; --workers: #10331c; --tasks: #2a1f45; }
  }
  text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }
  .paper { fill: var(--paper); }
  .box { fill: var(--box); stroke: var(--edge); }
  .module { stroke-dasharray: 4 3; }
  .name { font-size: 13px; font-weight: 600; }
  .says { font-size: 11.5px; fill: var(--soft); }
  .folder { font-size: 17px; font-weight: 700; }
  .arrow { fill: none; stroke: var(--edge); stroke-width: 1.3; }
  .between { stroke-width: 3; stroke: var(--soft); }
"""


def draw(root: Path = ROOT) -> str:
    """The map as SVG.

    Raises:
        Circle: rooms import each other in a circle.
    """
    known = modules(root)
    edges = imports(known)
    front, scheduler, workers, tasks = (Band(folder, known, edges) for folder in FOLDERS)
    width = max(front.width, scheduler.width + GAP + workers.width, tasks.width)
    share = (width - GAP) * scheduler.width / (scheduler.width + workers.width)
    middle = front.height + 2 * DROP
    bottom = middle + max(scheduler.height, workers.height) + 2 * DROP
    between = _between(share, width, front, scheduler, workers, middle, bottom)
    parts = [
        *between,
        *front.draw(0, 0, width),
        *scheduler.draw(0, middle, share),
        *workers.draw(share + GAP, middle, width - GAP - share),
        *tasks.draw(0, bottom, width),
    ]
    return _page(parts, width, bottom + tasks.height)


def _between(
    share: float, width: float, front: Band, scheduler: Band, workers: Band, middle: float, bottom: float
) -> Iterator[str]:
    """The arrows between the folders. Scheduler and workers never import each other: there is none between them."""
    centres = share / 2, share + GAP + (width - GAP - share) / 2
    for centre, band in zip(centres, (scheduler, workers), strict=True):
        for start, end in ((front.height, middle), (middle + band.height, bottom)):
            yield f'<path class="arrow between" marker-end="url(#head)" d="M {centre:.0f} {start:.0f} V {end:.0f}"/>'


def _page(parts: list[str], width: float, height: float) -> str:
    """The whole file around its parts."""
    box = f"{-MARGIN} {-MARGIN} {width + 2 * MARGIN:.0f} {height + 2 * MARGIN:.0f}"
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
        ' markerUnits="userSpaceOnUse"><path d="M 0 0 L 8 4 L 0 8 z" style="fill: var(--soft)"/></marker>'
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-labelledby="title">',
        "<!-- Drawn by docs/map from the imports of the source: make map -->",
        '<title id="title">The rooms of rollq: every arrow is an import, and all of them lead downwards</title>',
        f"<style>{STYLE}</style>",
        f"<defs>{head}</defs>",
        f'<rect class="paper" x="{-MARGIN}" y="{-MARGIN}" width="100%" height="100%"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
