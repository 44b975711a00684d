"""Models, datasets and records as interfaces, and the registry of the classes that a template may name."""
