"""Estimators of scikit-learn's kind: made from their dotted names, and kept without pickle."""
