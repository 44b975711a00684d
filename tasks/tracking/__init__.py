"""Tracking: experiments and their runs; here the manager, and `R` on top of it."""
