"""The report of a round: data, charts, and a page that needs nothing else."""
