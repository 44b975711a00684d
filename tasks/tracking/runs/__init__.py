"""What a run is, wherever it is kept: its life, its origin, its process, and what refers to it."""
