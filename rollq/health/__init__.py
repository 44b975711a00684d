"""The doctor, which says what is wrong, and the repair of what workers otherwise repair by themselves."""
