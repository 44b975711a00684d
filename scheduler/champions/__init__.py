"""Champions and challengers: compared on the same sessions, promoted by hand or by rule; and research."""
