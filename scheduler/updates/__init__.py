"""New predictions of trained models: for days that came since, and for days whose data were revised."""
