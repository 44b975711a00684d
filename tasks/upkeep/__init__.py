"""Upkeep that any process may do: taking tasks back from dead workers, notifying again, unblocking rounds."""
