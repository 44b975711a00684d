"""Rounds: tasks that belong together and are gathered exactly once, when the last of them is finished."""
