"""How the tests are shared out between workers, `pytest -n 2 --dist loadgroup`."""

import gc

import pytest

BROWSER = "ui"  # one JupyterLab and one browser for all of them
LONGEST_FIRST = (BROWSER, "mutants", "test_notebooks")  # so that no worker waits at the end


def pytest_configure(config):
    """Know the mark where pytest-xdist is not loaded, too."""
    config.addinivalue_line("markers", "xdist_group: tests with one name run on one worker")
    gc.set_threshold(100_000, 50, 1_000)  # a worker keeps what it has searched: little is garbage


def pytest_collection_finish():
    """Keep what was imported and collected out of every later garbage collection."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config, items):
    """Keep on one worker what shares work: a scenario is searched once, a browser started once.

    pytest-xdist up to 3.8 hands a group on as a suffix of the test's id, in a field that pytest 9.2
    no longer reads (pytest-xdist issue 1386), so the suffix is added here where it is missing.
    """
    groups = {item: group(item) for item in items}
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(groups[item]))
    order = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(groups[item], len(order)))
    done = yield
    if getattr(config.option, "loadgroup", False):
        for item in items:
            suffix = f"@{groups[item]}"
            if not item.nodeid.endswith(suffix):
                item._id = type(item._id).parse(item.nodeid + suffix)
    return done


def group(item):
    """Return the name of what a test shares work with."""
    mark = item.get_closest_marker("xdist_group")
    if mark is not None:
        return mark.args[0]
    if item.get_closest_marker(BROWSER):
        return BROWSER
    given = getattr(item, "callspec", None)
    scenario = given and (given.params.get("scenario") or given.params.get("played"))
    return scenario if isinstance(scenario, str) else item.path.stem


def pytest_make_parametrize_id(val):
    """Name a parameter alike on every worker: the order of a set differs from one to the next."""
    if isinstance(val, set | frozenset):
        return f"{{{', '.join(sorted(map(str, val)))}}}"
    return str(val) if isinstance(val, tuple) else None
