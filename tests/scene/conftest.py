import pytest

from mmviz.scene.rehearsal import Rehearsal
from tests.scene.toys import STORY, TOY


@pytest.fixture(scope="session")
def rehearsal():
    return Rehearsal(TOY)


@pytest.fixture
def story(rehearsal):
    """The frames of the run in which the GPU maps the free page."""
    return rehearsal.run(STORY).frames
