"""The HTML report of a round."""
