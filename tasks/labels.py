"""Labels: the names of pools and queues, which messages, documents and logs carry."""

from __future__ import annotations

import re

from rollq.tasks.errors import TemplateError

# What can stand in a query, a name of a Redis list, a log line and a terminal: no control characters, no halves of
# characters.
LABEL = r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}"
SHOWN_CHARS = 80
OWN_QUEUE = "train_func"  # of tasks that only a function of the user's own can train: no worker serves it


def check_label(value: object, key: str) -> None:
    """Refuse a name of a pool or queue that no message could carry.

    Raises:
        TemplateError: it is no text of 1 to 200 characters, or holds control characters.
    """
    if not isinstance(value, str) or not re.fullmatch(LABEL, value):
        raise TemplateError(f"{shown(value)} cannot be a name.", "Use up to 200 printable characters.", key)


def shown(value: object) -> str:
    """A value of unknown origin as a message may show it: ASCII, and not too long."""
    text = ascii(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
