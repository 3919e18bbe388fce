import pytest

from mmviz.scenarios import every_case
from mmviz.scene.rehearsal import Rehearsal
from tests.scene.played import Played
from tests.scene.toys import STORY, TOY


@pytest.fixture(scope="session")
def rehearsal():
    return Rehearsal(TOY)


@pytest.fixture(scope="session", params=every_case(), ids=lambda c: f"{c.scenario}:{c.name}")
def played(request):
    """Play each case there is; the tests of all files that ask for one are run together."""
    return Played(request.param)


@pytest.fixture
def story(rehearsal):
    """The frames of the run in which the GPU maps the free page."""
    return rehearsal.run(STORY).frames
