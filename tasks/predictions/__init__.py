"""Predictions that were made after training, what they were made from, and how good they are."""
