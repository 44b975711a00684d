"""Models: LightGBM and ridge regression, deterministic, saved as text."""
