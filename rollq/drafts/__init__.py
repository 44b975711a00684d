"""A first template for a file that was looked at: what it says, which segments it has, what is predicted from what."""
