"""Signals: joined predictions that cover every session and instrument once, and the ledger of them."""
