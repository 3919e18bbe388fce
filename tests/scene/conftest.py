import pytest

from mmviz.scenarios import load, names
from mmviz.scene.pictures import Played
from mmviz.scene.searched import SearchedCase
from tests.scene.toys import STORY, TOY


@pytest.fixture(scope="session")
def searched():
    return SearchedCase(TOY)


@pytest.fixture(scope="session", params=names())
def played(request):
    """Play the cases of each scenario once for all tests: see `of_each_case`."""
    return [Played(case) for case in load(request.param).cases]


@pytest.fixture
def story(searched):
    """The frames of the run in which the GPU maps the free page."""
    return searched.run(STORY).frames
