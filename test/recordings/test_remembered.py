"""What a camera remembers between two frames, put away and taken up again."""
from ros_rig import street

from flashdepth_ros.node.remembered import _Packer, _Unpacker
from flashdepth_ros.streams.camera_health import CameraHealth


def test_a_scene_cut_is_found_as_if_nothing_had_been_put_away():
    frames = street(30)
    other = street(40)[39][::-1].copy()
    health = CameraHealth()
    health.judge(frames[0], 0.0, 0.8)
    assert health.judge(other, 0.1, 0.8).cut
    for i in range(1, 8):
        health.judge(other, 0.1 + i / 10, 0.8)
    packer, resumed = _Packer(), CameraHealth()
    fields = packer.fields(health)
    _Unpacker(packer.arrays).into(resumed, fields)
    expected = health.judge(frames[5], 1.0, 0.8)
    assert expected.cut and resumed.judge(frames[5], 1.0, 0.8) == expected
