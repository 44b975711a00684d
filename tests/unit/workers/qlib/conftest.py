"""What needs PyTorch is left out where that is not installed: `make qlib-torch` installs it."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["test_tensors_of_torch.py"]
