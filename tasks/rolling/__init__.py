"""Rolling: the trading calendar, templates, and how they are cut into the tasks of their windows."""
