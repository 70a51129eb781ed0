"""camera_info as drivers fill it, and which camera an image is taken to be of."""
import math
import time

import cv2
import numpy as np
from numpy.testing import assert_allclose
import pytest
import rclpy
from rclpy.context import Context
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.ros.camera_info import UncalibratedError, intrinsics_to_info, read_calibration
from flashdepth_ros.ros.camera_view import CameraViews, rectifying_node
from flashdepth_ros.ros.message import MessageError

PLUMB_BOB = [-0.28, 0.08, 0.002, -0.001, -0.009]


def make_info(width: int = 1280, height: int = 720, **changes) -> CameraInfo:
    """Return a calibrated camera whose K and P differ."""
    info = CameraInfo(header=Header(frame_id='camera'), width=width, height=height)
    info.distortion_model, info.d = 'plumb_bob', PLUMB_BOB
    info.k = [900.0, 0.0, 645.5, 0.0, 905.0, 355.5, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [800.0, 0.0, 639.5, 0.0, 0.0, 800.0, 359.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        if name.startswith('roi_'):
            setattr(info.roi, name.removeprefix('roi_'), value)
        else:
            setattr(info, name, value)
    return info


def matrix_k(fx: float, fy: float, cx: float, cy: float) -> dict:
    return {'k': [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0], 'p': [0.0] * 12}


def test_k_and_p_at_their_own_size():
    calibration = read_calibration(make_info(), 1280, 720, 'camera')
    assert calibration.raw == Intrinsics(900.0, 905.0, 645.5, 355.5, 1280, 720)
    assert calibration.rectified == Intrinsics(800.0, 800.0, 639.5, 359.5, 1280, 720)
    assert calibration.notes == ()


# image size, changes of camera_info -> P by hand
@pytest.mark.parametrize(('size', 'changes', 'p'), [
    ((640, 360), {}, (400, 400, 319.5, 179.5)),  # resampled: the centre of two pixels between them
    ((854, 480), {}, (533.75, 533.33, 426.5, 239.5)),    # whose sides had to be rounded
    ((640, 360), {'binning_x': 2, 'binning_y': 2}, (400, 400, 319.75, 179.75)),
    ((1280, 720), {'binning_x': 2, 'binning_y': 2}, (800, 800, 639.5, 359.5)),    # not done
    ((640, 360), {'roi_x_offset': 320, 'roi_y_offset': 180, 'roi_width': 640, 'roi_height': 360},
     (800, 800, 319.5, 179.5)),
    ((300, 500), {'roi_x_offset': 900, 'roi_y_offset': 10, 'roi_width': 300, 'roi_height': 500},
     (800, 800, -260.5, 349.5)),    # beside the centre
    ((320, 180), {'roi_x_offset': 320, 'roi_y_offset': 180, 'roi_width': 640, 'roi_height': 360,
                  'binning_x': 2, 'binning_y': 2}, (400, 400, 159.75, 89.75)),
    ((1280, 720), {'roi_width': 640, 'roi_height': 480}, (800, 800, 639.5, 359.5)),   # not done
    ((1280, 720), {'roi_width': 1280, 'roi_height': 720, 'roi_do_rectify': True},
     (800, 800, 639.5, 359.5)),
    ((1280, 720), {'width': 0, 'height': 0}, (800, 800, 639.5, 359.5)),
    ((1280, 720), {'p': [0.0] * 12}, (900, 905, 645.5, 355.5)),
    ((1280, 720), {'p': [1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0]}, (900, 905, 645.5, 355.5)),
    ((1280, 720), {'k': [0.0] * 9, 'd': []}, (800, 800, 639.5, 359.5)),
    ((1280, 720), {'r': [0.0] * 9}, (800, 800, 639.5, 359.5)),
])
def test_what_can_be_meant_is_taken(size, changes, p):
    camera = read_calibration(make_info(**changes), *size).rectified
    assert_allclose((camera.fx, camera.fy, camera.cx, camera.cy), p, atol=0.01)
    assert (camera.width, camera.height) == size


@pytest.mark.parametrize('of_info', ['', 'camera', '/camera'])
def test_frames_that_are_the_same(of_info):
    info = make_info(header=Header(frame_id=of_info))
    assert read_calibration(info, 1280, 720, 'camera').raw.fx == 900


@pytest.mark.parametrize(('size', 'changes', 'reason'), [
    ((640, 480), {}, 'of images of 1280x720 pixels, and the image has 640x480, which has another'),
    ((720, 1280), {}, 'on its side'),
    ((480, 640), {'roi_width': 640, 'roi_height': 480}, 'of 640x480 pixels.*on its side'),
    ((1280, 720), {'header': Header(frame_id='right')}, "frame 'right', the images of 'camera'"),
    ((1280, 720), matrix_k(4.0, 4.0, 3.2, 1.8), 'focal length of 4 .* not in millimetres'),
    ((1280, 720), matrix_k(50.0, 50.0, 639.5, 359.5), 'field of view of 171 degrees'),
    ((1280, 720), matrix_k(9e4, 9e4, 639.5, 359.5), 'field of view of 0.8'),
    ((1280, 720), matrix_k(900.0, 300.0, 639.5, 359.5), 'differ too much'),
    ((1280, 720), matrix_k(900.0, 900.0, 0.0, 0.0), 'centre at 0, 0'),
    ((640, 360), {'width': 0, 'height': 0}, 'centre at 645.5'),    # of another size
    ((1280, 720), {'height': 0}, '1280x0'),
    ((1280, 720), matrix_k(-900.0, 900.0, 639.5, 359.5), '-900'),
    ((1280, 720), {'d': [float('nan')]}, 'NaN'),
    ((1280, 720), {'p': [float('inf')] * 12}, 'infinite'),
    ((1280, 720), {'d': [0.1] * 15}, '15 distortion'),
    ((1280, 720), {'d': [0.1] * 5, 'distortion_model': 'equidistant'}, 'equidistant has 5'),
    ((1280, 720), {'r': [1.0] * 9}, 'no rotation'),
])
def test_what_cannot_belong_to_the_image_is_refused(size, changes, reason):
    with pytest.raises(MessageError, match=reason):
        read_calibration(make_info(**changes), *size, 'camera')


def test_a_camera_that_says_it_is_not_calibrated():
    with pytest.raises(UncalibratedError, match='not calibrated'):
        read_calibration(make_info(**matrix_k(0.0, 0.0, 0.0, 0.0)), 1280, 720)
    with pytest.raises(UncalibratedError):
        read_calibration(CameraInfo(), 1280, 720)


def choose(info: CameraInfo | None, rectify: str = 'auto', hfov: float = 0.0, **options):
    return CameraViews().of(info, 1280, 720, 'camera', rectify=rectify, hfov=hfov, **options)


def test_auto_rectifies_what_is_distorted():
    view = choose(make_info())
    assert view.intrinsics == Intrinsics(800.0, 800.0, 639.5, 359.5, 1280, 720)
    assert 'rectified here' in view.words and view.problem is None
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(
        0, 256, (720, 1280, 3), dtype=np.uint8), (0, 0), 3)
    k, p = np.reshape(make_info().k, (3, 3)), np.reshape(make_info().p, (3, 4))
    expected = cv2.remap(image, *cv2.initUndistortRectifyMap(
        k, np.array(PLUMB_BOB), np.eye(3), p[:, :3], (1280, 720), cv2.CV_16SC2), cv2.INTER_LINEAR)
    assert (view.rectifier.apply(image) == expected).all()
    info = view.info(Header(frame_id='camera'), 640, 360)
    assert (info.width, info.height, info.distortion_model) == (640, 360, 'plumb_bob')
    assert list(info.d) == [0.0] * 5
    assert_allclose(info.p, [400, 0, 319.5, 0, 0, 400, 179.5, 0, 0, 0, 1, 0])
    assert_allclose(info.k, [400, 0, 319.5, 0, 400, 179.5, 0, 0, 1])
    assert_allclose(info.r, np.eye(3).ravel())


def test_auto_leaves_alone_what_is_not():
    for info in (make_info(d=[]), make_info(d=[0.0] * 5), make_info(d=[], distortion_model='')):
        view = choose(info)
        assert view.rectifier is None and view.intrinsics.fx == 800 and view.problem is None


def test_images_that_another_node_has_rectified():
    for view in (choose(make_info(), rectified_by='/rectify'), choose(make_info(), 'done')):
        assert view.rectifier is None and view.intrinsics.fx == 800 and view.problem is None
        assert not any(view.info(Header(), 1280, 720).d)
    assert choose(make_info(), 'always', rectified_by='/rectify').rectifier is not None


def test_always_brings_k_to_p():
    view = choose(make_info(d=[]), 'always')
    assert view.rectifier is not None and view.intrinsics.fx == 800
    same = make_info(d=[], p=[900.0, 0, 645.5, 0, 0, 905.0, 355.5, 0, 0, 0, 1.0, 0])
    assert choose(same, 'always').rectifier is None


def test_never_takes_the_rays_of_k_and_says_so():
    view = choose(make_info(), 'never')
    assert view.rectifier is None and view.intrinsics == Intrinsics(
        900.0, 905.0, 645.5, 355.5, 1280, 720)
    assert 'bent' in view.words
    info = view.info(Header(), 640, 360)
    # K: 900 / 2, (645.5 + 0.5) / 2 - 0.5, 905 / 2, (355.5 + 0.5) / 2 - 0.5
    assert_allclose(info.k, [450, 0, 322.5, 0, 452.5, 177.5, 0, 0, 1])
    assert_allclose(info.p, [400, 0, 319.5, 0, 0, 400, 179.5, 0, 0, 0, 1, 0])
    assert list(info.d) == PLUMB_BOB and info.distortion_model == 'plumb_bob'


def test_a_distortion_model_that_is_not_known():
    view = choose(make_info(distortion_model='double_sphere', d=[0.6, -0.2]))
    assert view.rectifier is None and view.intrinsics.fx == 900
    assert 'double_sphere' in view.problem and 'done' in view.problem


def test_the_second_camera_of_a_stereo_pair_keeps_its_baseline():
    p = list(make_info().p)
    p[3] = -96.0    # 800 * 0.12 m
    view = choose(make_info(p=p))
    assert view.baseline == (0.12, 0.0)
    assert_allclose(view.info(Header(), 640, 360).p[3], -48)


@pytest.mark.parametrize(('info', 'words', 'problem'), [
    (None, 'has not come', None),
    (make_info(**matrix_k(0.0, 0.0, 0.0, 0.0)), 'is not calibrated', None),
    (make_info(720, 1280), 'is refused', 'on its side'),
])
def test_a_field_of_view_in_its_place(info, words, problem):
    view = choose(info, hfov=90.0)
    assert view.intrinsics.fx == pytest.approx(640) and view.rectifier is None
    assert words in view.words and '90 degrees' in view.words
    assert view.problem is None if problem is None else problem in view.problem
    nothing = choose(info)
    assert nothing.intrinsics is None and nothing.problem


def test_a_view_is_kept_while_nothing_changes():
    views = CameraViews()

    def of(info, width=1280, height=720, rectify='auto'):
        return views.of(info, width, height, 'camera', rectify=rectify, hfov=0.0)

    first = of(make_info())
    assert of(make_info()) is first    # another message of the same content
    half = of(make_info(), 640, 360)
    assert half is not first and half.rectifier.raw.width == 640
    assert of(make_info(), rectify='never').rectifier is None
    assert of(make_info(d=[0.1, 0.0, 0.0, 0.0])).rectifier is not first.rectifier


def test_after_a_bad_camera_info_the_last_good_one_stays():
    views = CameraViews()

    def of(info):
        return views.of(info, 1280, 720, 'camera', rectify='auto', hfov=90.0)

    good = of(make_info())
    bad = of(make_info(header=Header(frame_id='right')))
    assert bad.intrinsics == good.intrinsics and 'last good' in bad.words and 'right' in bad.problem
    assert of(make_info()).problem is None


def test_a_pinhole_camera_says_that_it_has_no_distortion():
    info = intrinsics_to_info(Intrinsics.from_field_of_view(90, 640, 480), Header())
    assert info.distortion_model == 'plumb_bob' and list(info.d) == [0.0] * 5
    assert math.isclose(info.p[0], 320)


@pytest.fixture
def graph(domain):
    """Make nodes in the test's domain, and look at its graph from one of them."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    nodes = []

    def make(name: str):
        nodes.append(rclpy.create_node(name, context=context))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()
    context.destroy()


def test_a_node_that_rectifies_is_known_by_what_it_listens_to(graph):
    driver, image_proc, depth = graph('driver'), graph('image_proc'), graph('depth')
    driver.create_publisher(Image, 'image_rect_of_the_driver', 1)
    driver.create_publisher(CameraInfo, 'camera_info', 1)
    image_proc.create_publisher(Image, 'image_rect', 1)

    def rectified_by(topic: str) -> str | None:
        return rectifying_node(depth, topic, '/camera_info')

    assert rectified_by('/image_rect') is None    # it does not know the camera
    image_proc.create_subscription(CameraInfo, 'camera_info', print, 1)
    end = time.monotonic() + 10
    while rectified_by('/image_rect') is None and time.monotonic() < end:
        time.sleep(0.02)
    assert rectified_by('/image_rect') == '/image_proc'
    assert rectified_by('/image_rect_of_the_driver') is None
    assert rectified_by('/nothing') is None
