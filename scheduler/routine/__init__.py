"""The daily routine: its steps, its ledger, its timetable, the clock that starts it, and past days simulated."""
