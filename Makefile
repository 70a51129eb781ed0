# make demo    depth of a video, through real ROS 2, as pictures in demo_output/;
#              with SIM=1 of the simulated scene of that seed, beside its true depth; with
#              SCALE=motion in metres by the robot's odometry; with VIEW=1 live, in a browser,
#              until Ctrl-C
# make test    the tests
# make bench   how fast the node is here; tables and a plot in bench_output/
# make soak    the endurance tests in full: some hours; SOAK_FRAMES=1000 and the like shorten them
# make gpu     proves on a machine with an NVIDIA GPU that all is right there, and how fast: 9 minutes;
#              needs PyTorch, NumPy and OpenCV for $(PYTHON), no ROS; tables in gpu_output/
# make lint    the style and type checks
# make clean   remove everything that make made
#
# Where ROS 2 is sourced (ROS_DISTRO is set and rclpy imports) that ROS is used, and .venv only adds
# what PyPI has to add. On any other machine .venv also gets ROS 2 itself, from its PyPI wheels.

SHELL := /bin/bash
PYTHON ?= python3
# The ROS 2 that a bare machine gets: kilted, or jazzy (for the tests; into .venv-jazzy)
ROS_WHEELS ?= kilted
SUFFIX := $(if $(filter-out kilted,$(ROS_WHEELS)),-$(ROS_WHEELS))
VENV := $(CURDIR)/.venv$(SUFFIX)
INSTALL := install$(SUFFIX)
# The PyTorch build: 'make TORCH="torch --index-url ..."' takes another, before the first make.
TORCH ?= torch==2.13.0

VIDEO ?=
SIM ?=
SCALE ?=
VIEW ?=
MODEL ?=
WEIGHTS ?= auto
DEMO_OPTIONS ?=
BENCH_OPTIONS ?=
GPU_OPTIONS ?=
# fast ones first
TESTS ?= $(addprefix test/,test_rooms.py images metres streams weights files models ros scoring datasets \
  simulation training tools cameras view nav2 node recordings benchmark launch engines gpu soak)
PYTEST_OPTIONS ?= -ra
# how many test files run side by side: one more than CI has cores, for many wait for messages
TEST_WORKERS ?= 3
LINTED := flashdepth_ros test launch setup.py

ROS_HERE := $(shell [ -n "$$ROS_DISTRO" ] && $(PYTHON) -c 'import rclpy' 2>/dev/null && echo yes)

ifeq ($(ROS_HERE),yes)
  EXTRAS := demo,test
  VENV_OPTIONS := --system-site-packages
  # the distribution's messages are compiled for its NumPy
  PIP_OPTIONS = --constraint <($(PYTHON) -c 'import numpy; print(f"numpy=={numpy.__version__}")')
  COLCON_ENVIRONMENT :=
  CMAKE_OPTIONS :=
else
  EXTRAS := $(ROS_WHEELS),build,demo,test
  VENV_OPTIONS :=
  PIP_OPTIONS :=
  COLCON_ENVIRONMENT := AMENT_PREFIX_PATH=$(VENV) CMAKE_PREFIX_PATH=$(VENV)
  CMAKE_OPTIONS := -DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=$(CURDIR)/.ci/wheels.cmake
endif

ACTIVATE := source $(VENV)/bin/activate
ENVIRONMENT := $(ACTIVATE) && source $(INSTALL)/setup.bash

.PHONY: demo test bench soak gpu lint build clean

demo: build
	$(ENVIRONMENT) && python -m flashdepth_ros.tools.demo $(if $(MODEL),--model '$(MODEL)') \
	  --weights '$(WEIGHTS)' $(if $(VIDEO),--video '$(VIDEO)') $(if $(SIM),--sim '$(SIM)') \
	  $(if $(SCALE),--scale '$(SCALE)') $(if $(VIEW),--view) $(DEMO_OPTIONS)

test: build
	$(ENVIRONMENT) && python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile \
	  --no-loadscope-reorder $(TESTS) $(PYTEST_OPTIONS)

bench: build
	$(ENVIRONMENT) && python -m flashdepth_ros.tools.bench $(if $(MODEL),--model '$(MODEL)') $(BENCH_OPTIONS)

soak: build
	$(ENVIRONMENT) && SOAK=full python -m pytest test/soak test/engines/test_equality.py \
	  test/engines/test_tensorrt.py test/training/test_every_model.py $(PYTEST_OPTIONS)

gpu:
	$(PYTHON) test/gpu/verify.py $(GPU_OPTIONS)

lint: $(VENV)/.installed
	$(ACTIVATE) && ruff check .
	$(ACTIVATE) && mypy
	$(ACTIVATE) && set -o pipefail && \
	  ament_flake8 --config .ci/flake8.ini $(LINTED) | sed '/^\*/d' && \
	  ament_pep257 --convention google --add-ignore D10{0,1,2,3,4,5,6,7} -- $(LINTED) | \
	    sed '/^checking/d' && \
	  ament_lint_cmake CMakeLists.txt .ci
	$(ACTIVATE) && python -c 'from catkin_pkg.package import parse_package as read; \
	  warnings = []; read("package.xml", warnings=warnings).validate(); \
	  raise SystemExit("; ".join(warnings) or 0)'

build: $(VENV)/.installed
	$(ACTIVATE) && $(COLCON_ENVIRONMENT) colcon build --symlink-install \
	  --build-base build$(SUFFIX) --install-base $(INSTALL) \
	  --packages-select flashdepth_ros --event-handlers console_stderr+ \
	  --cmake-args -DBUILD_TESTING=OFF -DPython3_EXECUTABLE=$(VENV)/bin/python $(CMAKE_OPTIONS)

$(VENV)/.installed: setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || { \
	  echo "Python 3.10 to 3.13 is needed, and $(PYTHON) is $$($(PYTHON) --version):" \
	    "name another with make PYTHON=python3.12"; exit 1; }
	@command -v c++ >/dev/null || { \
	  echo 'a C++ compiler is needed for the messages: sudo apt install g++'; exit 1; }
	@echo '--- installing into $(VENV) (about 2 GB, some minutes) ---'
	$(PYTHON) -m venv $(VENV_OPTIONS) $(VENV)
	$(ACTIVATE) && pip install $(TORCH)
	$(ACTIVATE) && pip install $(PIP_OPTIONS) --editable '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf .venv* build build-* install install-* log demo_output bench_output gpu_output *.egg-info
