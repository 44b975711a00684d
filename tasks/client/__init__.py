"""What a program of the user's asks for: TaskManager, run_task, waiting, and why a task is where it is."""
