"""From signals to a portfolio: what is held, what it earns and costs, and how good that is."""
