"""From a text to a checked tree."""
