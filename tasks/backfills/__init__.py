"""Backfills: a range of windows that is trained a few at a time, beside everything else."""
