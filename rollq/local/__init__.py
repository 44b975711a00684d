"""The embedded stack: real servers as processes of this machine, and workers beside them."""
