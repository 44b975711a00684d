"""The verbs on single tasks: looking at them, changing them, working on them by hand."""
