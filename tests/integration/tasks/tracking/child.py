"""A process of its own for the tests of R: ``child.py URI EXPERIMENT write|sleep``."""

import sys
import time

from rollq import R

uri, name, what = sys.argv[1:]
R.setup({"class": "MLflowExpManager", "kwargs": {"uri": uri, "default_exp_name": name}})
with R.start(recorder_name="child") as recorder:
    if what == "write":
        R.log_metrics(who=2.0)
    else:
        R.set_tags(ready=1)
        recorder.flush()
        time.sleep(600)
