"""Clips on disk are what was rendered, whole, and of one shape."""
import numpy as np
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.tools import make_scenes
from flashdepth_ros.training.clips import HFOV, render_clip
from flashdepth_ros.training.shards import ARRAYS, Clip, ShardError, Shards, write_shard


def clip(seed, frames=2, height=5, width=6):
    rng = np.random.default_rng(seed)
    return Clip(rng.integers(0, 256, (frames, height, width, 3)).astype(np.uint8),
                rng.uniform(0.5, 9, (frames, height, width)).astype(np.float16), seed, 0.25,
                np.eye(3), np.stack([np.eye(4)] * frames))


def test_clips_come_back(tmp_path):
    write_shard(tmp_path / 'shard_0', [clip(0), clip(1)])
    shards = Shards(tmp_path)
    write_shard(tmp_path / 'shard_2', [clip(2)])
    assert len(shards) == 2
    shards.refresh()
    assert len(shards) == 3 and shards.clip_shape == (2, 5, 6, 3)
    for seed in range(3):
        for name in ARRAYS:
            np.testing.assert_array_equal(
                getattr(shards[seed], name), np.asarray(getattr(clip(seed), name)))
        rgb, depth = shards.frames(seed, 1, 2)
        np.testing.assert_array_equal(rgb, clip(seed).rgb[1:])
        np.testing.assert_array_equal(depth, clip(seed).depth[1:])


def test_unusable_folders(tmp_path):
    with pytest.raises(ShardError, match='make_scenes'):
        Shards(tmp_path)
    write_shard(tmp_path / 'shard_0', [clip(0)])
    write_shard(tmp_path / 'shard_1', [clip(0, frames=3)])
    with pytest.raises(ShardError, match='shard_1 has clips of'):
        Shards(tmp_path)
    (tmp_path / 'shard_1' / 'rgb.npy').write_bytes(b'x')
    with pytest.raises(ShardError, match='no whole shard'):
        Shards(tmp_path)


def test_a_shard_is_whole_or_absent(tmp_path):
    with pytest.raises(ValueError):
        write_shard(tmp_path / 'shard_0', [clip(0), clip(1, frames=3)])
    assert not list(tmp_path.iterdir())


def test_a_seed_is_one_clip(scenes, shards):
    """Rendered again, also by another process, it is the same; shards there are are kept."""
    frames, height, width, _ = shards.clip_shape
    again = render_clip(1, frames, height, width, interval=0.2)
    np.testing.assert_array_equal(shards[1].depth, again.depth.astype(np.float16))
    np.testing.assert_array_equal(shards[1].poses, again.poses.astype(np.float32))
    assert np.abs(shards[1].rgb.astype(int) - again.rgb).max() <= 1
    camera = Intrinsics.from_field_of_view(HFOV, width, height)
    assert again.intrinsics[0, 0] == pytest.approx(camera.fx)
    assert again.intrinsics[1, 2] == pytest.approx(camera.cy)
    before = (scenes / 'shard_0000000001' / 'rgb.npy').stat().st_mtime_ns
    assert make_scenes.main([str(scenes), '--clips', '2', '--shard', '1']) == 0
    assert (scenes / 'shard_0000000001' / 'rgb.npy').stat().st_mtime_ns == before


def test_frames_apart_show_more(shards):
    """Frames from all over a scene differ more than those 0.2 s apart."""
    frames, height, width, _ = shards.clip_shape
    apart = render_clip(1, frames, height, width)
    moved = [np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).mean()
             for poses in (apart.poses, shards[1].poses)]
    assert moved[0] > 2 * moved[1]
