"""What serves: the ledger of online sets, who serves on a session, and what those models predicted."""
