"""Experiments, runs and registered models on MLflow."""
