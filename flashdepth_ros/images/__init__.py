"""Pixels: encodings, intrinsics, resampling, points. NumPy and OpenCV alone."""
