"""A cache of their own for the engines of these tests."""
import pytest


@pytest.fixture(scope='package', autouse=True)
def engine_cache(cache_home):
    """Graphs are exported once for all tests, and the user's cache stays as it is."""
    patch = pytest.MonkeyPatch()
    patch.setenv('XDG_CACHE_HOME', str(cache_home))
    yield cache_home / 'flashdepth_ros' / 'engines'
    patch.undo()
