"""Paths that a template names: they stay as they were written, and links are followed when a file is read."""

from __future__ import annotations

from pathlib import Path

LINKS = 40  # that a template may be away; systems follow no more


def folder_of(template: Path) -> Path:
    """The folder that a template's paths are relative to, as an absolute path.

    Where the template itself is a link, that is the folder of what it points to. Links on the way stay as they are:
    ``current/template.yaml`` means what ``current`` points to on the day when a file is read.
    """
    for _ in range(LINKS):
        if not template.is_symlink():
            break
        template = template.parent / template.readlink()
    return absolute(template).parent


def absolute(path: Path) -> Path:
    """The path from the root on. Links stay as they are, but for those that a ``..`` leads back from."""
    made = Path(path.absolute().anchor)
    for part in path.absolute().parts[1:]:
        # After `..` the system looks at where a link leads, not at where it stands; `os.path.normpath` would get that
        # wrong.
        made = made.resolve().parent if part == ".." else made / part
    return made
