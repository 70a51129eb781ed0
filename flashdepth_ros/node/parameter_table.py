"""The depth node's ROS parameters in one table: meaning, default, range, when it may change.

config/flashdepth.yaml repeats this table for people; a test holds the two together.
"""
from collections.abc import Sequence
from dataclasses import replace
import re

from ..engines import BACKENDS, PRECISIONS
from ..images.preview import COLORMAPS
from ..metres.units import MODES
from ..models import MODELS
from ..ros.camera_view import RECTIFY
from ..ros.parameters import Parameter, Settings

NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')  # of a camera
ANY_HEIGHT = (-1000.0, 1000.0)  # limits that limit nothing, in metres


def _check_cameras(names: list[str]) -> str | None:
    if names == [''] or (names and len(set(names)) == len(names)
                         and all(NAME.fullmatch(name) for name in names)):
        return None
    return (f'cameras is {names}; it must be different names of letters, digits and underscores, '
            f"or [''] for one camera without a name")


def _check_bits(bits: int) -> str | None:
    return None if bits == 0 or bits >= 8 else (
        f'input.bits is {bits}; it must be 0 (find it) or lie between 8 and 16')


PARAMETERS = {parameter.name: parameter for parameter in (
    Parameter(
        'autostart', True,
        'Configure and activate by itself after the start. Set false where a lifecycle manager '
        'does it. Read once, at the start.'),
    Parameter(
        'bond_heartbeat_period', 0.1,
        "Seconds between the heartbeats of the bond that nav2's lifecycle manager wants while the "
        'node is active; made where bondpy is installed. 0 is no bond: set bond_timeout of the '
        'manager to 0 then.', low=0.0, high=2.0),
    Parameter(
        'cameras', [''],
        'Names of the cameras. Each has its topics below its name (front/image, front/points) and '
        "a temporal state of its own; all share one copy of the weights. [''] is one camera, whose "
        'topics have no name before them. A camera with a name may have values of its own: '
        'front.camera.*, front.output.*, front.points.*_height and front.scale.*',
        check=_check_cameras),
    Parameter(
        'camera.hfov', 0.0,
        'Horizontal field of view in degrees, from which points and depth/camera_info are made '
        'while no camera_info has come. 0 is none.', low=0.0, high=179.0, running=True,
        per_camera=True),
    Parameter(
        'camera.focal', 'info',
        'Whose focal length points, depth/camera_info and mode ground have, with a network that '
        'tells one (dyfn, moge-l). info: that of camera_info or camera.hfov and, where there is '
        "neither, the network's. model: always the network's.",
        choices=('info', 'model'), running=True, per_camera=True),
    Parameter(
        'model.name', 'auto',
        'The network. auto is flashdepth-s or, where its official weights are not here and cannot '
        'be fetched, flashdepth-nano, which comes with this package and knows simulated indoor '
        'scenes only.',
        choices=('auto', *MODELS)),
    Parameter(
        'model.weights', 'auto',
        'The weights: auto (the official file, where it lies in the cache), a .pth or .safetensors '
        'file, or random (untrained, to try the plumbing without weights).'),
    Parameter(
        'engine.backend', 'auto',
        'The library that runs the network. auto: on CUDA torch; on a CPU torch at once, and the '
        'fastest that is installed as soon as it is prepared.',
        choices=('auto', *BACKENDS)),
    Parameter(
        'engine.device', 'auto',
        'Where it runs: auto (cuda where there is one), cpu, cuda or cuda:N; gpu for openvino.'),
    Parameter(
        'engine.precision', 'auto',
        'Its arithmetic. auto is fp32, with TensorRT fp16. Not every backend offers every one.',
        choices=('auto', *PRECISIONS)),
    Parameter(
        'engine.threads', 0,
        'How many threads of a CPU the network computes on. 0 is one on each core, or one where a '
        'step is too short to share; fewer leave cores to other programs.', low=0, high=1024),
    Parameter(
        'engine.path', '',
        'A ready engine file, made by export_engine for one model, size and weights. Empty: '
        'engines are made when needed and kept in the cache.'),
    Parameter(
        'engine.fallback', False,
        'Run torch where engine.backend cannot be opened, and say so in the diagnostics. false: '
        'configuring fails then.'),
    Parameter(
        'input.width', 0,
        "The camera image's width where it is known: the engine is then made when configuring, not "
        'at the first frame. 0 is not known.', low=0, high=16384),
    Parameter(
        'input.height', 0, "The camera image's height, likewise.", low=0, high=16384),
    Parameter(
        'input.short_side', 0,
        'Short side of the image that the network sees, in pixels, raised to multiples of 14. '
        "Smaller is faster and coarser. 0 is the model's own rule.", low=0, high=4096),
    Parameter(
        'input.transport', 'raw',
        'raw: Image. compressed: CompressedImage (JPEG or PNG) on image/compressed.',
        choices=('raw', 'compressed')),
    Parameter(
        'input.rectify', 'auto',
        'Whether images are rectified here, as image_proc does it, so that points are not bent; '
        'depth/camera_info is then that of the rectified image. auto: where camera_info has '
        'distortion (D is not zero), unless another node publishes the images and listens to that '
        "camera_info, as image_proc does. A bag's player hides who made the images: give done for "
        'rectified ones. always: even then, and also from K to P where D is zero. never: images '
        'stay as they come, with the rays of K, and points are bent. done: images come rectified, '
        'P is used.',
        choices=RECTIFY),
    Parameter(
        'input.bits', 0,
        'How many bits of 16 the samples of an image use (mono16, 16UC1, rgb16, bayer_*16): 8 to '
        '16. 0 finds it, and grows with the brightest sample so far.', low=0, high=16,
        check=_check_bits),
    Parameter(
        'stream.max_gap', 2.0,
        'Pause in the header stamps, in seconds, after which the temporal state is forgotten. '
        '0 is never.', low=0.0, high=3600.0, running=True),
    Parameter(
        'stream.max_backward', 1.0,
        'How far header stamps may go back, in seconds, without the temporal state being '
        'forgotten: such a frame was overtaken on its way, and is left out. One that goes back by '
        'more begins a new stream.', low=0.0, high=3600.0, running=True),
    Parameter(
        'stream.scene_cut', 0.8,
        'How little an image resembles the one before it, from 0 to 1, for a cut to another scene '
        '(a video, a switch of cameras), at which the temporal state is forgotten. 0 is never.',
        low=0.0, high=1.0, running=True),
    Parameter(
        'health.act', True,
        'Publish no depth (all NaN, no clouds) of a camera that is black, covered or '
        'over-exposed, and forget the temporal state after two such frames or more. false: only '
        'tell, in the diagnostics and ~/status.', running=True),
    Parameter(
        'filter.temporal', False,
        'Mix each frame with those before, which are carried along the optical flow: less flicker, '
        'in all outputs. For networks without a temporal state, such as depth-anything-v2; others '
        'gain less.', running=True),
    Parameter(
        'filter.alpha', 0.2,
        'Weight of a new frame in filter.temporal: smaller is steadier, 1 changes nothing.',
        low=0.01, high=1.0, running=True),
    Parameter(
        'filter.delta', 0.4,
        'Which changes filter.temporal takes for flicker, of the natural logarithm of depth: by '
        'less than half of it (0.4: 22 %) wholly, by more than one and a half of it (82 %) not at '
        'all.', low=0.01, high=10.0, running=True),
    Parameter(
        'output.encoding', '32FC1',
        'Of depth/image: 32FC1 in metres (NaN no value, +Inf farther than max_range, -Inf nearer '
        'than min_range) or 16UC1 in millimetres (0 no value).',
        choices=('32FC1', '16UC1'), running=True),
    Parameter(
        'output.size', 'camera',
        "Size of depth/image and of an organised cloud: the camera's, or the smaller size at which "
        'the network works (cheaper).', choices=('camera', 'model'), running=True),
    Parameter(
        'output.min_range', 0.1, 'Nearest depth that is a value, in metres.',
        low=0.0, high=1000.0, running=True, per_camera=True),
    Parameter(
        'output.max_range', 100.0,
        'Farthest depth that is a value, in metres. Farther points are left out, never moved.',
        low=0.01, high=10000.0, running=True, per_camera=True),
    Parameter(
        'points.stride', 2, 'Take every n-th pixel in both directions for the cloud.',
        low=1, high=64, running=True),
    Parameter(
        'points.color', True, "Give the points the image's colour (field rgb).", running=True),
    Parameter(
        'points.organized', False,
        'true: the cloud keeps the image grid, with NaN where there is no value. '
        'false: only points with a value.', running=True),
    Parameter(
        'points.remove_edges', False,
        'Leave out points that hang between a foreground and what lies behind it, as a costmap '
        'needs it. Takes some 20 ms at 1280x720.', running=True),
    Parameter(
        'points.min_confidence', 0.0,
        'Leave out points whose depth/confidence is lower: a rank from 0 to 1 and no probability. '
        'They do not mark, but their rays in points/clearing clear. 0 leaves out none, and costs '
        'nothing.',
        low=0.0, high=1.0, running=True),
    Parameter(
        'points.confidence', False, 'Give the points their confidence (field confidence).',
        running=True),
    Parameter(
        'points.voxel', 0.0,
        'Keep one point in each cube of this size in metres (not in an organized cloud). 0 is all.',
        low=0.0, high=10.0, running=True),
    Parameter(
        'points.margin', 0.0,
        'Leave out points nearer than this, in metres, to the edge of what the camera sees: rays '
        'of points/clearing can hardly reach what they would mark. 0 leaves out none.',
        low=0.0, high=10.0, running=True),
    Parameter(
        'points.min_height', ANY_HEIGHT[0],
        'Lowest points, in metres above the camera (up is -y of the optical frame).',
        low=ANY_HEIGHT[0], high=ANY_HEIGHT[1], running=True, per_camera=True),
    Parameter(
        'points.max_height', ANY_HEIGHT[1], 'Highest points, in metres above the camera.',
        low=ANY_HEIGHT[0], high=ANY_HEIGHT[1], running=True, per_camera=True),
    Parameter(
        'points.rate', 0.0, 'Clouds per second at most; 0 is one for every frame.',
        low=0.0, high=1000.0, running=True),
    Parameter(
        'scale.mode', 'nominal',
        'How metres are made of the output d of the model, an inverse depth in 1/m. '
        'nominal: factor / d, uncalibrated. fixed: 1 / (factor * d + shift), calibrated by you. '
        'reference: the same, fitted to a metric sensor. ground: the same, fitted to a flat floor. '
        'motion: the same, fitted by what odometry tells of the way between two images. '
        'A model whose output is depth has d = 1 / output.', choices=MODES, per_camera=True),
    Parameter(
        'scale.reference', 'depth',
        'The metric sensor of mode reference: depth (an Image aligned with the camera, on '
        'reference/depth/image) or points (a PointCloud2 on reference/points, brought into the '
        "camera's frame through TF).", choices=('depth', 'points'), per_camera=True),
    Parameter(
        'scale.max_delay', 0.1,
        'How far apart in seconds the stamps of an image and of its reference may be.',
        low=0.0, high=10.0, per_camera=True),
    Parameter(
        'scale.max_age', 10.0,
        'How long in seconds a scale is believed that no fit has confirmed. Then no cloud is '
        'published any more, as while there is no scale: a costmap must notice that it is blind. '
        '0 is for ever.', low=0.0, high=1e6, running=True, per_camera=True),
    Parameter(
        'scale.camera_height', 0.0,
        'Of the lens above the floor in metres, for modes ground, which needs it, and motion. With '
        'ground and scale.mounting tf, 0 takes it from TF.',
        low=0.0, high=100.0, per_camera=True),
    Parameter(
        'scale.camera_pitch', 0.0,
        'How far the camera looks down, in degrees, for modes ground and motion. With 0, ground '
        'looks for floors of up to 45 degrees; with another, within 10 degrees of it.',
        low=-90.0, high=90.0, per_camera=True),
    Parameter(
        'scale.camera_roll', 0.0,
        'How far it is turned about its own axis, in degrees, clockwise as it looks.',
        low=-180.0, high=180.0, per_camera=True),
    Parameter(
        'scale.camera_yaw', 0.0,
        "How far it looks to the left of the robot's x axis, in degrees, for mode motion.",
        low=-180.0, high=180.0, per_camera=True),
    Parameter(
        'scale.camera_x', 0.0,
        'Where the lens is in front of the frame whose odometry it is, in metres, for mode motion.',
        low=-100.0, high=100.0, per_camera=True),
    Parameter(
        'scale.camera_y', 0.0, 'Where the lens is to the left of it, likewise.',
        low=-100.0, high=100.0, per_camera=True),
    Parameter(
        'scale.mounting', 'parameters',
        'Where it is told how the camera is mounted. parameters: scale.camera_*. tf: TF to the '
        "images' frame_id, from scale.base_frame (ground) or the odometry's child_frame_id "
        '(motion).',
        choices=('parameters', 'tf'), per_camera=True),
    Parameter(
        'scale.base_frame', 'base_footprint',
        'With mode ground and scale.mounting tf: a frame of TF on the floor, its z up.',
        per_camera=True),
    Parameter(
        'scale.imu', False,
        'Mode ground takes pitch and roll from gravity: a sensor_msgs/Imu on imu. One of the '
        "images' frame_id is the camera's own. Others are brought into it through TF with "
        "scale.mounting tf, else they are taken to be in the robot's frame (x ahead, z up), in "
        'which scale.camera_* tell how the camera is mounted.', per_camera=True),
    Parameter(
        'scale.odometry', 'topic',
        'Where odometry comes from, for mode motion. topic: nav_msgs/Odometry on odom. tf: the '
        "pose of the images' frame_id in scale.odom_frame through TF.",
        choices=('topic', 'tf'), per_camera=True),
    Parameter(
        'scale.odom_frame', 'odom', 'With scale.odometry tf: a frame of TF that does not move.',
        per_camera=True),
    Parameter(
        'scale.odometry_error', 0.02,
        'How far off the lengths are that odometry tells, relative. It is part of the uncertainty.',
        low=0.0, high=1.0, per_camera=True),
    Parameter(
        'scale.time_offset', 0.0,
        "Added to the images' stamps, in seconds, where odometry is asked for its pose.",
        low=-1.0, high=1.0, per_camera=True),
    Parameter(
        'scale.factor', 1.0, 'See scale.mode.', low=1e-6, high=1e6, running=True, per_camera=True),
    Parameter(
        'scale.shift', 0.0, 'In 1/m, with scale.mode fixed only.',
        low=-100.0, high=100.0, running=True, per_camera=True),
    Parameter(
        'preview.near', 0.5, 'Depth in metres that depth/preview shows in the nearest colour.',
        low=0.0, high=1000.0, running=True),
    Parameter(
        'preview.far', 20.0, 'Depth in metres that depth/preview shows in the farthest colour.',
        low=0.01, high=10000.0, running=True),
    Parameter(
        'preview.colormap', 'turbo', 'Colours of depth/preview.',
        choices=tuple(COLORMAPS), running=True),
    Parameter(
        'preview.status', True,
        'Write model, speed, scale and resets into depth/preview; no display of RViz shows '
        '~/status.', running=True),
    Parameter(
        'slice.near', 0.5, 'Where the slice of depth/slice begins, in metres.',
        low=0.0, high=10000.0, running=True),
    Parameter(
        'slice.far', 2.0, 'Where it ends: depth/slice is 255 between the two, else 0.',
        low=0.01, high=10000.0, running=True),
)}


def own_parameters(cameras: Sequence[str]) -> dict[str, Parameter]:
    """Return the rows that cameras with names have for themselves, such as front.camera.hfov."""
    return {f'{camera}.{row.name}': replace(
        row, name=f'{camera}.{row.name}', optional=True,
        description=f'{row.name} of the camera {camera}; where it is not set, {row.name} holds.')
        for camera in cameras if camera for row in PARAMETERS.values() if row.per_camera}


def of_camera(settings: Settings, camera: str) -> Settings:
    """Return the settings that hold for a camera: its own, where it has any."""
    own = {name: settings[f'{camera}.{name}'] for name, row in PARAMETERS.items()
           if row.per_camera and settings.get(f'{camera}.{name}') is not None}
    return {**settings, **own} if own else settings


def check_together(settings: Settings) -> str | None:
    """Say which values contradict each other, for all cameras or one, or return None."""
    for camera in settings['cameras']:
        if problem := _contradiction(of_camera(settings, camera)):
            return f'{camera}: {problem}' if camera else problem
    return None


def _contradiction(settings: Settings) -> str | None:
    for low, high in (('output.min_range', 'output.max_range'), ('preview.near', 'preview.far'),
                      ('slice.near', 'slice.far'), ('points.min_height', 'points.max_height')):
        if settings[low] >= settings[high]:
            return (f'{low} ({settings[low]} m) must be smaller than {high} ({settings[high]} m)')
    if settings['points.organized'] and settings['points.voxel']:
        return ('points.organized keeps the image grid, which points.voxel would break up: set '
                'points.voxel to 0 or points.organized to false')
    return None
