"""A worker as a process: its Celery application, draining, watchdog, names, share of the machine."""
