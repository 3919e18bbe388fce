"""Whatever is run of the tests, by pytest or as a program, keeps no progress of a learner."""

import os

os.environ["MMVIZ_PROGRESS"] = "off"  # of this process, and of those that it starts
