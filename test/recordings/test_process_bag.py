"""process_bag: the depth of the node, bit for bit, out of bags of all kinds, also in two runs."""
from pathlib import Path

from bags_by_hand import (
    HEIGHT,
    KINDS,
    SECOND,
    WIDTH,
    compressed,
    info_at,
    messages,
    picture,
    write,
    write_ros1,
)
from flashdepth_ros.msg import DepthStatus
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from flashdepth_ros.files.bag_pieces import BagPieces, manifest_of
from flashdepth_ros.files.bag_reader import BagReader
from flashdepth_ros.files.bag_types import BagError
from flashdepth_ros.files.places import Place
from flashdepth_ros.recordings.models import ModelKeeper
from flashdepth_ros.recordings.notes import Notes
from flashdepth_ros.recordings.process import process_bag
from flashdepth_ros.recordings.recipe import Recipe
from flashdepth_ros.ros.compressed_depth import compressed_to_depth
from flashdepth_ros.ros.image_messages import (
    depth_to_image,
    image_to_depth,
    rgb_to_image,
)
from flashdepth_ros.ros.message import deserialised, header_at, stamp_to_ns
from flashdepth_ros.tools import evaluate
from flashdepth_ros.tools import process_bag as tool

MODEL = {'model.name': 'flashdepth-nano', 'engine.backend': 'torch', 'input.short_side': 70,
         'engine.threads': 1}
# a gap, a frame that was overtaken, one that comes twice
STAMPS = [10.0, 10.1, 10.2, 10.3, 14.0, 14.1, 14.05, 14.2, 14.2, 14.3, 14.4, 14.5]
CLASSES = {kind.__name__: kind for kind in (
    Image, CameraInfo, CompressedImage, PointCloud2, DepthStatus)}


@pytest.fixture(scope='module')
def models():
    keeper = ModelKeeper()
    yield keeper
    assert keeper.loads == 1    # all tests had one
    keeper.close()


@pytest.fixture
def run(models, tmp_path):
    """Process a bag into tmp_path/out (Recipe's arguments); return the manifest and topics."""
    def process(source: Path, name: str = 'out', progress=lambda done, total: None, **recipe):
        recipe['values'] = {**MODEL, **recipe.get('values', {})}
        manifest = process_bag(source, Place(str(tmp_path / name)), Recipe(**recipe), models,
                               Notes('test'), progress=progress)
        return manifest, read(tmp_path / name)
    return process


def read(path: Path) -> dict[str, list]:
    """Return a bag's messages, by topic."""
    found: dict[str, list] = {}
    with BagReader(path) as reader:
        for _, (topic, _, data) in reader.messages(reader.topics):
            kind = CLASSES.get(reader.topics[topic].kind.rpartition('/')[2])
            found.setdefault(topic, []).append(deserialised(data, kind) if kind else data)
        assert not reader.losses
    return found


def depths(topics: dict[str, list], name: str = '/front/depth/image') -> np.ndarray:
    return np.stack([image_to_depth(each, far=True) for each in topics[name]])


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return write(tmp_path_factory.mktemp('bags') / 'drive', messages(STAMPS, (-0.2, 0.05, 0, 0, 0)))


def test_the_depth_is_the_nodes_bit_for_bit(bag, run, rig):
    manifest, topics = run(bag, more=['points'])
    node = rig(**MODEL, **{'model.weights': 'auto', 'output.max_range': 100.0})
    assert node.change_state('configure') and node.change_state('activate')
    node.meet('depth/image', 'depth/camera_info', 'points', 'depth_node/status')
    depth, status = node.received['depth/image'], node.received['depth_node/status']
    counts = node.depth_node._cameras[0].input.arrivals.counts
    for number, seconds in enumerate(STAMPS):
        stamp, sent = round(seconds * SECOND), number + 1
        image = messages([seconds], (-0.2, 0.05, 0, 0, 0))
        node.info.publish(image[0][2])
        assert node.spin_until(
            lambda: node.depth_node._cameras[0].input.info is not None)
        node.image.publish(rgb_to_image(picture(number), header_at(stamp, 'front_optical')))
        assert node.spin_until(lambda: counts.received == sent)  # noqa: B023
        done = sent - counts.late - counts.repeated
        assert node.spin_until(lambda: len(depth) == len(status) == done, 60)  # noqa: B023
    assert counts.late == counts.repeated == 1
    theirs = np.stack([image_to_depth(each, far=True) for each in depth])
    assert np.isfinite(theirs).mean() > 0.5
    assert np.array_equal(theirs, depths(topics), equal_nan=True)
    assert [each.header for each in depth] == [
        each.header for each in topics['/front/depth/image']]
    assert node.received['depth/camera_info'] == topics['/front/depth/camera_info']
    assert len(node.received['points']) == len(depth)
    for one, other in zip(node.received['points'], topics['/front/points'], strict=True):
        assert one.header == other.header and np.array_equal(
            np.frombuffer(one.data, np.uint8), np.frombuffer(other.data, np.uint8))
    ours = manifest['cameras']['/front/image_raw']
    assert ours['resets'] == dict(counts.resets) == {'gap in time': 1}
    assert (ours['late'], ours['repeated'], ours['processed']) == (1, 1, 10)
    last = topics['/front/depth_node/status'][-1]
    assert (last.late, last.repeated, last.resets, last.model) == (1, 1, 1, 'flashdepth-nano')
    # and what was there is there
    assert topics['/front/image_raw'] == read(bag)['/front/image_raw']


def interrupted_after(frames: int):
    def progress(done: int, total: int) -> None:
        if done == frames:
            raise KeyboardInterrupt
    return progress


def odometry_and_truth(stamps: list[float]) -> tuple[list, dict[str, str]]:
    content = messages(stamps)
    truth = np.linspace(1, 6, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    for number, seconds in enumerate(stamps):
        stamp = round(seconds * SECOND)
        # every second one, and late
        if number % 2:
            content.append(('/front/reference/depth/image', content[2 * number][1] + 150_000_000,
                            depth_to_image(truth * (1 + number / 50),
                                           header_at(stamp, 'front_optical'))))
    return sorted(content, key=lambda each: each[1]), {
        **KINDS, '/front/reference/depth/image': 'sensor_msgs/msg/Image'}


@pytest.mark.parametrize('mode', ['nominal', 'reference', 'motion'])
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not(mode, run, tmp_path):
    stamps = [10 + number / 10 for number in range(14)]
    content, kinds = odometry_and_truth(stamps)
    if mode == 'motion':
        from nav_msgs.msg import Odometry
        kinds['/odom'] = 'nav_msgs/msg/Odometry'
        for number in range(70):
            stamp = round((9.95 + number / 50) * SECOND)
            odometry = Odometry(header=header_at(stamp, 'odom'), child_frame_id='base')
            odometry.pose.pose.position.x = number / 100
            content.append(('/odom', stamp, odometry))
        content.sort(key=lambda each: each[1])
    bag = write(tmp_path / 'drive', content, kinds)
    recipe = {'values': {'scale.mode': mode}, 'piece': 4, 'remaps': {'odom': '/odom'},
              'more': ['depth/confidence']}
    _, whole = run(bag, 'whole', **recipe)
    with pytest.raises(KeyboardInterrupt):
        run(bag, 'out', interrupted_after(11), **recipe)
    assert not (tmp_path / 'out').exists()
    assert not (tmp_path / 'out.partial' / 'metadata.yaml').exists()
    assert len(list((tmp_path / 'out.partial').glob('*.mcap'))) == 2
    taken = []
    manifest, topics = run(bag, 'out', lambda done, total: taken.append(done), **recipe)
    assert manifest['resumed'] and taken == list(range(9, 15))
    assert manifest['frames'] == len(stamps)
    assert sorted(each.name for each in (tmp_path / 'out').iterdir()) == [
        'manifest.json', 'metadata.yaml', *(f'out_{number}.mcap' for number in range(4))]
    assert not (tmp_path / 'out.partial').exists()
    assert topics.keys() == whole.keys()
    for name, content in whole.items():
        if name.endswith('status'):
            assert [each.scale_factor for each in content] == pytest.approx(
                [each.scale_factor for each in topics[name]], rel=0, abs=0, nan_ok=True)
            assert [each.processed for each in topics[name]] == list(range(1, 15))
        elif name == '/front/depth/image':
            assert np.array_equal(depths(whole), depths(topics), equal_nan=True)
        elif name == '/front/depth/confidence':
            # OpenCV's search for the flow remembers what cannot be looked into
            assert np.allclose(depths(whole, name), depths(topics, name), atol=2e-3,
                               equal_nan=True)
        else:
            assert len(content) == len(topics[name]), name
    if mode == 'reference':
        assert np.isfinite(depths(topics)[-1]).any()


def test_what_is_there_is_not_touched(bag, run, tmp_path):
    (tmp_path / 'out').mkdir()
    with pytest.raises(BagError, match='is there already'):
        run(bag)
    with pytest.raises(BagError, match='is no bag: it is not overwritten'):
        BagPieces(Place(str(tmp_path / 'out')), {}, overwrite=True)
    # nor is what an interrupted run with other settings has done
    with pytest.raises(KeyboardInterrupt):
        run(bag, 'other', interrupted_after(4), piece=2)
    with pytest.raises(BagError, match='of an interrupted run with another recipe'):
        run(bag, 'other', compress='png')


@pytest.mark.parametrize('form', ['png', 'rvl'])
def test_compressed_images_in_and_compressed_depth_out(form, run, bag, tmp_path):
    content = messages(STAMPS)
    content = [(topic, time, compressed(picture(number // 2), stamp_to_ns(message.header.stamp)))
               if 'image' in topic else (topic, time, message)
               for number, (topic, time, message) in enumerate(content)]
    # two cameras; the second has its camera_info once, as a latched topic, and late
    second = [('/rear' + topic[6:], time, message)
              for topic, time, message in content if 'image' in topic]
    second.insert(4, ('/rear/camera_info', second[3][1], info_at(0)))
    content = [(topic.replace('image_raw', 'image_raw/compressed'), time, message)
               for topic, time, message in sorted(content + second, key=lambda each: each[1])]
    kinds = {topic: f'sensor_msgs/msg/{"CompressedImage" if "image" in topic else "CameraInfo"}'
             for topic, _, _ in content}
    path = write(tmp_path / 'drive', content, kinds)
    with pytest.raises(BagError, match='choose with --topics'):
        run(path)
    manifest, topics = run(
        path, topics=['front/image_raw/compressed', '/rear/image_raw/compressed:rear/camera_info'],
        compress=form, originals=False, values={'output.encoding': '16UC1'})
    assert manifest['frames'] == 20
    assert set(topics) == {
        f'/{camera}/{name}' for camera in ('front', 'rear')
        for name in ('depth/image/compressedDepth', 'depth/camera_info', 'depth_node/status')}
    _, plain = run(bag, 'plain', values={'output.encoding': '16UC1', 'input.rectify': 'never'})
    for camera in ('front', 'rear'):
        found = np.stack([compressed_to_depth(each)
                          for each in topics[f'/{camera}/depth/image/compressedDepth']])
        assert np.allclose(found, depths(plain), equal_nan=True)
        assert len(topics[f'/{camera}/depth/camera_info']) == 10


def test_a_ros_1_bag_and_one_that_was_cut(run, bag, tmp_path):
    _, expected = run(bag, 'expected', values={'input.rectify': 'never'})
    manifest, topics = run(write_ros1(tmp_path / 'drive.bag', messages(STAMPS)))
    assert np.array_equal(depths(topics), depths(expected), equal_nan=True)
    assert [note for note in manifest['notes'] if 'flashdepth-nano' not in note] == []
    cut = tmp_path / 'cut.mcap'
    data = (write(tmp_path / 'long', messages(STAMPS)) / 'long.mcap').read_bytes()
    cut.write_bytes(data[:len(data) // 2])
    manifest, topics = run(cut, 'of_cut')
    found = depths(topics)
    assert 3 < len(found) < 8
    assert np.array_equal(found, depths(expected)[:len(found)], equal_nan=True)
    assert any('was cut off' in note for note in manifest['notes'])


def test_the_command(bag, tmp_path, capsys):
    options = ['--model', 'flashdepth-nano', '--backend', 'torch', '--short-side', '70',
               '-p', 'engine.threads:=1']
    out = tmp_path / 'out'
    assert tool.main([str(bag), str(out), '--topics', '/image', *options]) == 1
    assert 'Images are on: /front/image_raw (sensor_msgs/msg/Image' in capsys.readouterr().err
    assert tool.main([str(bag), str(out), *options, 'scale.mode:=grond']) == 1
    assert 'must be one of' in capsys.readouterr().err
    assert tool.main([str(bag), str(out), *options, 'scale.mode:=ground',
                      'scale.camera_height:=1']) == 0
    assert '10 frames in' in capsys.readouterr().out
    assert manifest_of(Place(str(out)))['frames'] == 10
    assert tool.main([str(bag), str(out), *options]) == 1
    assert 'is there already' in capsys.readouterr().err
    assert tool.main([str(bag), str(bag), '--overwrite', *options]) == 1
    assert 'is the input' in capsys.readouterr().err


def test_truth_whose_stamps_are_off_by_milliseconds(tmp_path, capsys):
    content, kinds = odometry_and_truth([10 + number / 10 for number in range(14)])
    for topic, _, message in content:
        if 'reference' in topic:
            message.header.stamp.nanosec += 7_000_000
    bag = str(write(tmp_path / 'drive', content, kinds))
    options = ['--bag', bag, '--image-topic', 'front/image_raw', '--truth-topic',
               '/front/reference/depth/image', '--model', 'flashdepth-nano', '--backend', 'torch',
               '--short-side', '70']
    assert evaluate.main(options) == 0
    assert '7 pairs within 20 ms, at most 7 ms apart' in capsys.readouterr().err
    assert evaluate.main([*options, '--tolerance', '0.005']) == 1
    assert 'see --tolerance' in capsys.readouterr().err
