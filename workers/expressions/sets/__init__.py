"""Sets of features under one name."""
