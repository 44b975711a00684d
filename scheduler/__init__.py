"""Which tasks exist and when, and which models serve: trainers, rounds, strategies, the daily routine."""
