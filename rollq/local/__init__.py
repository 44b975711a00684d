"""The embedded stack: a real broker and a real task store on loopback, for one machine."""
