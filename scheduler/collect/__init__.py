"""Collecting predictions of many runs, grouping them, and joining them into one frame."""
