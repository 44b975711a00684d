"""Files as sources of columns: which there are, what they hold by content, and how each form is read."""
