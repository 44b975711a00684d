"""Strategies, which decide what tasks exist and what serves, and the registry of those kept online."""
