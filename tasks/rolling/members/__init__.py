"""Models that are trained side by side and serve together: one for each value of a column, one for each horizon."""
