"""What is read from and written to disks: videos, folders of images and of depth, bags."""
