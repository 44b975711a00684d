"""Attempts: what belongs to one try at a task, seen from the process that makes it and from its MLflow runs."""
