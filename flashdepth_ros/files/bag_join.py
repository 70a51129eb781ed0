"""Makes one bag of several that follow each other in time, without copying their files."""
import json

from .bag_pieces import MANIFEST, METADATA, PARTIAL, load_metadata, manifest_of, merged
from .bag_types import BagError
from .places import Place


def join_bags(target: Place, parts: list[Place], identity: dict, overwrite: bool) -> dict:
    """Move the files of whole bags of this package into a new one; return its manifest.

    Where that was interrupted, it goes on. BagError.
    """
    if target.exists() and not overwrite:
        if (found := manifest_of(target)) is None:
            raise BagError(f'{target} is there already and is no bag')
        return _cleared(found, parts)
    manifests = []
    for part in parts:
        if (manifest := manifest_of(part)) is None:
            raise BagError(f'{part} is no whole bag')
        manifests.append(manifest)
    partial, metadata = target.beside(PARTIAL), []
    files: list[dict] = []
    for part, manifest in zip(parts, manifests, strict=True):
        about = load_metadata(part.read(METADATA).decode())
        names = {}
        for file in manifest['files']:
            names[file['path']] = f'{target.name}_{len(files)}.mcap'
            files.append({**file, 'path': names[file['path']]})
            if part.exists(file['path']):
                part.move(file['path'], partial, names[file['path']])
        about['relative_file_paths'] = [names[path] for path in about['relative_file_paths']]
        for file in about['files']:
            file['path'] = names[file['path']]
        metadata.append(about)
    whole = {'cameras': _cameras([manifest['cameras'] for manifest in manifests]),
             'frames': sum(manifest['frames'] for manifest in manifests),
             'seconds': round(sum(manifest['seconds'] for manifest in manifests), 3),
             'resumed': any(manifest['resumed'] for manifest in manifests),
             'notes': list(dict.fromkeys(
                 note for manifest in manifests for note in manifest['notes'])),
             'windows': len(parts), 'identity': {**manifests[0]['identity'], **identity},
             'files': files}
    partial.write(MANIFEST, json.dumps(whole, indent=1).encode())
    partial.write(METADATA, merged(metadata).encode())
    if overwrite:
        target.remove()
    partial.rename(target)
    return _cleared(whole, parts)


def _cleared(manifest: dict, parts: list[Place]) -> dict:
    for part in parts:
        part.remove()
    return manifest


def _cameras(parts: list[dict[str, dict]]) -> dict[str, dict]:
    """Add up what became of each camera's images."""
    whole: dict[str, dict] = {}
    for part in parts:
        for name, about in part.items():
            if name not in whole:
                whole[name] = json.loads(json.dumps(about))
                continue
            for key, value in about.items():
                if isinstance(value, int):
                    whole[name][key] += value
            for reason, count in about['resets'].items():
                whole[name]['resets'][reason] = whole[name]['resets'].get(reason, 0) + count
    return whole
