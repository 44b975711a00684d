"""The online manager: strategies that are kept online from a program, live or over the past."""
