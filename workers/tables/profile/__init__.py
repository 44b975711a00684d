"""A look at a file that nothing is known of yet: how it can be read, what it holds, what its columns may be."""
