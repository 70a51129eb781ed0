"""Bags of every kind give the same messages; what is lost of damaged ones is told."""
from pathlib import Path

from bags_by_hand import messages, write, write_ros1
from mcap.writer import Writer as McapWriter
import pytest
from sensor_msgs.msg import CameraInfo, Image

from flashdepth_ros.files.bag_reader import BagReader, Position
from flashdepth_ros.files.bag_types import BagError
from flashdepth_ros.ros.message import deserialised, serialised

MESSAGES = messages([10 + number / 10 for number in range(40)])
CONTENT = [(topic, time, serialised(message)) for topic, time, message in MESSAGES]
CLASSES = {'/front/image_raw': Image, '/front/camera_info': CameraInfo}

BEGINNING = Position()


def read(path: Path, position: Position = BEGINNING) -> tuple[list, list[str]]:
    with BagReader(path) as reader:
        found = [message for _, message in reader.messages(reader.topics, position)]
        return found, reader.losses


def split(path: Path, **options) -> Path:
    """Write a bag of two files, as a recorder does that splits."""
    from flashdepth_ros.files.bag_pieces import load_metadata, merged
    path.mkdir()
    parts = []
    for number, content in enumerate((CONTENT[:30], CONTENT[30:])):
        part = write(path / f'part_{number}', content, **options)
        parts.append(load_metadata((part / 'metadata.yaml').read_text()))
        for file in part.iterdir():
            if file.name != 'metadata.yaml':
                file.rename(path / file.name)
    (path / 'metadata.yaml').write_text(merged(parts))
    return path


def without_index(path: Path) -> Path:
    """Write an MCAP without chunks, index and summary, as fast recorders do."""
    with BagReader(write(path.with_suffix(''), CONTENT)) as reader, path.open('wb') as file:
        writer = McapWriter(file, use_chunking=False, use_summary_offsets=False,
                            use_statistics=False, repeat_channels=False, repeat_schemas=False)
        writer.start('ros2')
        channels = {name: writer.register_channel(name, 'cdr', writer.register_schema(
            topic.kind, 'ros2msg', topic.definition.encode()))
            for name, topic in reader.topics.items()}
        for topic, time, data in CONTENT:
            writer.add_message(channels[topic], time, data, time)
        writer.finish()
    return path


KINDS = {
    'mcap': lambda path: write(path, CONTENT),
    'sqlite': lambda path: write(path, CONTENT, storage='SQLITE3'),
    'mcap by message': lambda path: write(path, CONTENT, compression='MESSAGE'),
    'sqlite by message': lambda path: write(path, CONTENT, storage='SQLITE3',
                                            compression='MESSAGE'),
    'mcap by file': lambda path: write(path, CONTENT, compression='FILE'),
    'sqlite by file': lambda path: write(path, CONTENT, storage='SQLITE3', compression='FILE'),
    'mcap by chunk': lambda path: write(path, CONTENT, compression='STORAGE'),
    'split': split,
    'split sqlite': lambda path: split(path, storage='SQLITE3'),
    'one file': lambda path: write(path, CONTENT) / f'{path.name}.mcap',
    'one compressed file': lambda path: next(
        write(path, CONTENT, compression='FILE').glob('*.zstd')),
    'ROS 1': lambda path: write_ros1(path.with_suffix('.bag'), MESSAGES),
    'no index': lambda path: without_index(path.with_suffix('.mcap')),
}


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_of_bag_gives_its_messages(kind, tmp_path):
    path = KINDS[kind](tmp_path / 'bag')
    found, losses = read(path)
    if kind == 'ROS 1':
        assert [(topic, time, deserialised(data, CLASSES[topic]))
                for topic, time, data in found] == MESSAGES
    else:
        assert found == CONTENT
    assert not losses
    with BagReader(path) as reader:
        positions = [position for position, _ in reader.messages(reader.topics)]
    assert read(path, positions[17])[0] == found[18:]  # and from any place on


@pytest.mark.parametrize('compression', ['NONE', 'STORAGE'])
def test_a_cut_mcap_is_read_as_far_as_it_goes(compression, tmp_path):
    whole = write(tmp_path / 'bag', CONTENT, compression=compression)
    (whole / 'metadata.yaml').unlink()
    file = whole / 'bag.mcap'
    data = file.read_bytes()
    file.write_bytes(data[:len(data) * 6 // 10])
    found, losses = read(whole)
    # also of the chunk that was cut
    assert len(CONTENT) // 3 < len(found) < len(CONTENT) and found == CONTENT[:len(found)]
    assert 'has no metadata.yaml' in losses[0]
    assert 'was cut off or is damaged' in losses[-1] and 'the rest is lost' in losses[-1]


def test_one_damaged_chunk_costs_no_more_than_itself(tmp_path):
    content = [(topic, time, serialised(message)) for topic, time, message in messages(
        [10 + number / 10 for number in range(200)])]
    file = write(tmp_path / 'bag', content, compression='STORAGE') / 'bag.mcap'
    data = bytearray(file.read_bytes())
    second = data.index(b'\x28\xb5\x2f\xfd', data.index(b'\x28\xb5\x2f\xfd') + 1)
    data[second:second + 4] = bytes(4)
    data[-200:] = b''    # and there is no index
    file.write_bytes(data)
    found, losses = read(file)
    assert len(content) - 200 < len(found) < len(content)
    assert found[-1][1] == content[-1][1]
    assert any('1 damaged chunks are left out' in loss for loss in losses), losses


def test_what_is_no_bag_is_said(tmp_path):
    (tmp_path / 'empty.mcap').touch()
    (tmp_path / 'text.mcap').write_text('this is no bag at all')
    (tmp_path / 'folder').mkdir()
    for name, words in (('gone', 'does not exist'), ('empty.mcap', 'cannot be read as a bag'),
                        ('text.mcap', 'no MCAP'), ('folder', 'holds no .mcap')):
        with pytest.raises(BagError, match=words):
            BagReader(tmp_path / name)


def test_topics_of_images_are_listed(tmp_path):
    with BagReader(write(tmp_path / 'bag', CONTENT)) as reader:
        with pytest.raises(BagError, match=r'no images on /image.*/front/image_raw '
                                           r'\(sensor_msgs/msg/Image, 40 messages\)'):
            reader.require('image')
        with pytest.raises(BagError, match='it is of type sensor_msgs/msg/CameraInfo'):
            reader.require('front/camera_info')
