"""The page of all functions of expressions, written from the functions themselves."""
