"""Writes a bag in pieces, so that a run that ends early goes on where its last piece ends.

Until the bag is whole its files lie in a folder of another name, without the metadata by which
players know a bag.
"""
from collections.abc import Callable
import hashlib
from io import StringIO
import json
from pathlib import Path
import tempfile
from typing import Any

from .bag_parts import with_definition
from .bag_types import BagError, BagTopic
from .bag_writer import open_writer
from .places import Place

PARTIAL = '.partial'
RESUME, MANIFEST, METADATA = 'resume.json', 'manifest.json', 'metadata.yaml'


def manifest_of(place: Place) -> dict | None:
    """Return what the manifest of a whole bag tells; None where there is none."""
    if not place.exists(METADATA) or not place.exists(MANIFEST):
        return None
    return json.loads(place.read(MANIFEST))


class BagPieces:
    """A new bag at a place, that becomes whole with `finish`. Use it as a context.

    identity: what the bag is made of and how; what is found of an interrupted run is gone on with
    if it has the same one. resumed: what the last `commit` of such a run was given, with its
    'frames' and 'seconds', else None. BagError where something else is there, unless it may be
    overwritten.
    """

    def __init__(self, place: Place, identity: dict, overwrite: bool = False):
        self.place, self._partial = place, place.beside(PARTIAL)
        self._identity = json.loads(json.dumps(identity))    # as it will be read
        self._overwrite = overwrite
        if place.exists() and not overwrite:
            raise BagError(f'{place} is there already: give another name, or --overwrite')
        if place.exists() and not place.exists(METADATA):
            raise BagError(f'{place} is there already and is no bag: it is not overwritten')
        self._partial.lock()    # until it is closed: nobody else writes there
        self._writer: Any = None
        self._connections: dict[str, Any] = {}
        self._topics: dict[str, BagTopic] = {}
        try:
            self.resumed = self._found(overwrite)
            self.pieces: list[dict] = self.resumed['pieces'] if self.resumed else []
            self._clear()
        except BaseException:
            self._partial.unlock()
            raise

    def _found(self, overwrite: bool) -> dict | None:
        if not self._partial.exists(RESUME):
            return None
        found = json.loads(self._partial.read(RESUME))
        if found['identity'] == self._identity:
            return found
        if overwrite:
            return None
        differs = [name for name in {**found['identity'], **self._identity}
                   if found['identity'].get(name) != self._identity.get(name)]
        raise BagError(f'{self._partial} is of an interrupted run with another '
                       f'{", ".join(differs)}: finish that, or give --overwrite to begin anew')

    def _clear(self) -> None:
        """Remove what was written after the last commit."""
        keep = {each['path'] for each in self.pieces}
        if self.resumed:
            keep |= {RESUME, self.resumed['arrays']}
        for name in self._partial.files():
            if name not in keep:
                self._partial.remove(name)

    def __enter__(self) -> 'BagPieces':
        self._scratch = self._partial.scratch()
        self._folder = self._scratch.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            self._writer.abort()
        self._scratch.__exit__(*error)
        self._partial.unlock()

    def declare(self, topic: BagTopic) -> bool:
        """Make a topic known before it is written to; False where its type is not known."""
        whole = with_definition(topic)
        if whole is None:
            return False
        self._topics[topic.name] = whole
        return True

    def write(self, topic: str, time: int, data: bytes) -> None:
        """Write a message of a topic that was declared, in CDR, as of a time in ns."""
        if self._writer is None:
            self._open_piece()
        if topic not in self._connections:
            about = self._topics[topic]
            self._connections[topic] = self._writer.add_connection(
                topic, about.kind, msgdef=about.definition, rihs01=about.digest,
                offered_qos_profiles=about.qos)
        self._writer.write(self._connections[topic], time, data)

    def _open_piece(self) -> None:
        self._writer = open_writer(self._folder / f'{self.place.name}_{len(self.pieces)}')

    def _close_piece(self) -> None:
        if self._writer is None:
            return
        writer, self._writer, self._connections = self._writer, None, {}
        writer.close()
        file = writer.path / f'{writer.path.name}.mcap'
        with file.open('rb') as opened:
            digest = hashlib.file_digest(opened, 'sha256').hexdigest() if hasattr(
                hashlib, 'file_digest') else hashlib.sha256(opened.read()).hexdigest()
        self.pieces.append({
            'path': file.name, 'sha256': digest, 'bytes': file.stat().st_size,
            'metadata': load_metadata((writer.path / METADATA).read_text())})
        self._partial.put(file, file.name)

    def commit(self, state: dict, write_arrays: Callable[[Path], None]) -> None:
        """End a piece: a run that is interrupted from now on goes on with this state.

        write_arrays: writes what belongs to the state into a file.
        """
        self._close_piece()
        arrays = f'resume_{len(self.pieces)}.safetensors'
        write_arrays(self._folder / arrays)
        self._partial.put(self._folder / arrays, arrays)
        before, self.resumed = self.resumed, {
            **state, 'identity': self._identity, 'pieces': self.pieces, 'arrays': arrays}
        self._partial.write(RESUME, json.dumps(self.resumed).encode())
        if before is not None and before['arrays'] != arrays:
            self._partial.remove(before['arrays'])

    def read_arrays(self, read: Callable[[Path], Any]) -> Any:
        """Read what the resumed state's arrays were written into."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / 'arrays'
            file.write_bytes(self._partial.read((self.resumed or {})['arrays']))
            return read(file)

    def finish(self, manifest: dict, may_be_empty: bool = False) -> dict:
        """Make the bag whole; return its manifest, with what was written."""
        if not self.pieces and self._writer is None:
            if not may_be_empty:
                raise BagError(f'nothing was written to {self.place}')
            self._open_piece()
        self._close_piece()
        manifest = {
            **manifest, 'identity': self._identity,
            'files': [{name: each[name] for name in ('path', 'sha256', 'bytes')}
                      for each in self.pieces]}
        self._partial.write(MANIFEST, json.dumps(manifest, indent=1).encode())
        self._partial.write(METADATA, merged([each['metadata'] for each in self.pieces]).encode())
        self._scratch.__exit__(None, None, None)
        if self._overwrite:
            self.place.remove()
        self._partial.rename(self.place)
        if self.resumed is not None:
            self.place.remove(self.resumed['arrays'])
            self.place.remove(RESUME)
        return manifest


def load_metadata(text: str) -> dict:
    """Read a metadata.yaml."""
    from ruamel.yaml import YAML
    return YAML(typ='safe').load(text)['rosbag2_bagfile_information']


def merged(parts: list[dict]) -> str:
    """Return the metadata.yaml of a bag of several files, of those of each."""
    from ruamel.yaml import YAML
    topics: dict[str, dict] = {}
    parts = [part for part in parts if part['message_count']] or parts
    for part in parts:
        for topic in part['topics_with_message_count']:
            name = topic['topic_metadata']['name']
            if name in topics:
                topics[name]['message_count'] += topic['message_count']
            else:
                topics[name] = dict(topic)
    begin = min(part['starting_time']['nanoseconds_since_epoch'] for part in parts)
    end = max(part['starting_time']['nanoseconds_since_epoch'] + part['duration']['nanoseconds']
              for part in parts)
    whole = {
        **parts[0],
        'relative_file_paths': [path for part in parts for path in part['relative_file_paths']],
        'files': [file for part in parts for file in part['files']],
        'starting_time': {'nanoseconds_since_epoch': begin},
        'duration': {'nanoseconds': end - begin},
        'message_count': sum(part['message_count'] for part in parts),
        'topics_with_message_count': list(topics.values())}
    text = StringIO()
    yaml = YAML(typ='safe')
    yaml.default_flow_style = False
    yaml.dump({'rosbag2_bagfile_information': whole}, text)
    return text.getvalue()
