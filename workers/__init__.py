"""The processes that run tasks, and what they run: jobs, models, datasets, records."""
