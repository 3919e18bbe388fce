import gc

import pytest


@pytest.fixture(autouse=True)
def collected_soon():
    """Let `gc.collect()` look only at what the test makes, not at all that the worker keeps."""
    gc.freeze()
    yield
    gc.unfreeze()
