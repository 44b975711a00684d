"""The functions of the language: each with its parameters, formula, look-back and look-ahead."""
