"""What a template says of a table's dataset: features, label, weight and universe, checked before anything is read."""
