"""The verbs on strategies that are kept online: serving, champions, signals, routine, simulation."""
