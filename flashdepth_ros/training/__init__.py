"""Training any model: data, losses, the trainer, the scores.

tools/train.py trains; docs/training.md says how.
No ROS here, but for reading bags.
"""
