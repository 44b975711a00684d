"""What a dataset asks of the rest of a template: absolute places, checks, and windows cut as its label needs."""
