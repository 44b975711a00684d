"""Tables of any form: files are read into one long frame of times and instruments, and others are joined to it."""
