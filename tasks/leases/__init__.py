"""Leases: one holder at a time, who is known by a fence number and stops when the lease runs out."""
