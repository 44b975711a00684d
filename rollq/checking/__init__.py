"""One window of a template, trained, saved, loaded, predicted and gathered here: what would fail later is named."""
