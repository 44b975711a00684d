"""Benchmarks of tables and their panels."""
