"""What a run is, whoever keeps it: its life, its origin, its process, and what refers to it."""
