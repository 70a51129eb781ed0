"""A cache of their own for the engines of these tests."""
import pytest


@pytest.fixture(scope='session', autouse=True)
def engine_cache(tmp_path_factory):
    """Graphs are exported once for all tests, and the user's cache stays as it is."""
    folder = tmp_path_factory.mktemp('cache')
    patch = pytest.MonkeyPatch()
    patch.setenv('XDG_CACHE_HOME', str(folder))
    yield folder / 'flashdepth_ros' / 'engines'
    patch.undo()
