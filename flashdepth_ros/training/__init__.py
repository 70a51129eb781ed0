"""Training flashdepth-nano on simulated scenes: stored clips, losses, the trainer, the scores.

tools/make_scenes.py renders, tools/train_nano.py trains; docs/nano.md says how and what came of it.
No ROS here.
"""
