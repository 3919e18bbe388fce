"""`python -m mmviz`: the same as the command `mmviz`."""

from mmviz.cli import main

raise SystemExit(main())
