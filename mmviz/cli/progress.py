"""`mmviz progress`: what a learner has seen and done on this machine."""

import json

from mmviz.lessons.progress import progress


def show_progress(as_json: bool, forget: bool) -> int:
    """Print the progress, after removing it where that is wished, and return the exit status.

    Raises:
        MmvizError: its file cannot be read or removed.
    """
    found = progress(forget=forget)
    print(json.dumps(found.as_data(), indent=1) if as_json else found)
    return 0
