"""The expression language of features, labels, weights and universes, computed on matrices."""
