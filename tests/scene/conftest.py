import pytest

from mmviz.scene.rehearsal import Rehearsal
from tests.scene.toys import STORY, TOY


@pytest.fixture(scope="session")
def rehearsal():
    return Rehearsal(TOY)


@pytest.fixture(scope="session")
def rehearsed():
    """Search a case through once for all who draw it; all cases together take some 60 MB."""
    made = {}

    def search(case):
        key = (str(case.scenario), case.name)
        if key not in made:
            made[key] = Rehearsal(case)
        return made[key]

    return search


@pytest.fixture
def story(rehearsal):
    """The frames of the run in which the GPU maps the free page."""
    return rehearsal.run(STORY).frames
