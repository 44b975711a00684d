"""Datasets: price files, checked, with features, labels and processors, cached once per machine."""
