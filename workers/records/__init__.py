"""Records: what is written of a trained window, its predictions and how good they are."""
