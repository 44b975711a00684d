"""Benchmarks of datasets and their panels."""
