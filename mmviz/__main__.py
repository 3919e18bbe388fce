"""`python -m mmviz`: the same as the command `mmviz`."""

import gc

from mmviz.cli import main

status = main()
gc.freeze()  # the process ends here, so the last collection of garbage has nothing to look at
raise SystemExit(status)
