"""What a task is, and where it is kept: templates and windows, the queue, rounds, runs and their artifacts."""
