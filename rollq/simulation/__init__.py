"""Templates kept online over past sessions from one call, and the page about it."""
