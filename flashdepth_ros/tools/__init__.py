"""Programs for people; each is a process of its own."""
from ..ros.openmp import spin_briefly

spin_briefly()  # before any of them loads PyTorch
