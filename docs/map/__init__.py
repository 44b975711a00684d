"""The map of the rooms, docs/architecture.svg: drawn from the imports of the source by `make map`."""
