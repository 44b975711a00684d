"""Qlib's own classes: the one room that imports pyqlib, and reads what it pickles."""
