"""Whose choice the middleware's transports are."""
import os

import pytest

from flashdepth_ros.ros import transport
from flashdepth_ros.ros.transport import PROFILE_VARIABLE, use_transport_profile


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch, tmp_path):
    for name in (PROFILE_VARIABLE, 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_BUILTIN_TRANSPORTS',
                 'ROS2_EASY_MODE', 'RMW_IMPLEMENTATION'):
        monkeypatch.setenv(name, '')  # so that what the function sets is undone
    monkeypatch.chdir(tmp_path)


def test_the_profile_is_used_where_nothing_is_chosen(monkeypatch):
    profile = use_transport_profile()
    assert profile.is_file() and os.environ[PROFILE_VARIABLE] == str(profile)
    assert use_transport_profile() == profile
    monkeypatch.setenv(PROFILE_VARIABLE, '')
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')
    assert use_transport_profile() == profile


@pytest.mark.parametrize(('name', 'value'), [
    ('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA'), ('ROS2_EASY_MODE', '10.0.0.1'),
    ('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp'), ('RMW_IMPLEMENTATION', 'rmw_zenoh_cpp'),
    (PROFILE_VARIABLE, '/etc/dds.xml'),
])
def test_what_a_user_has_chosen_stays(monkeypatch, name, value):
    before = os.environ[PROFILE_VARIABLE]
    monkeypatch.setenv(name, value)
    assert use_transport_profile() is None
    assert os.environ[PROFILE_VARIABLE] == (value if name == PROFILE_VARIABLE else before)


@pytest.mark.parametrize('name', transport.PROFILE_FILES)
def test_a_profile_in_the_working_directory_stays(tmp_path, name):
    (tmp_path / name).touch()
    assert use_transport_profile() is None
    assert not os.environ[PROFILE_VARIABLE]
