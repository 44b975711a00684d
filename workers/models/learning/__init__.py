"""What models share: losses and the labels that they take, outputs, functions of one's own, importance, packages."""
