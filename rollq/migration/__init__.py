"""Bringing along what another program recorded: Qlib's runs in MLflow become rollq's runs, and a first online set."""
