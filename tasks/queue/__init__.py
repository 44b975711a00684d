"""The task queue: tasks as documents, and every write that changes one."""
