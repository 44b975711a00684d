"""The arithmetic of rolling and cross-sectional functions on matrices; names and arguments are above."""
