"""What `docs/how-to/from-qlib.md` promises, checked: how much Qlib's scripts change, which of its names are here."""
