"""Celery messages over Redis: they notify workers that there is work, and hold nothing else."""
