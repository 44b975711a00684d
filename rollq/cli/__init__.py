"""The command line: one verb, or one group of verbs, in each module."""
