"""The view node's ROS parameters."""
from ..ros.parameters import Parameter

PARAMETERS = {parameter.name: parameter for parameter in (
    Parameter('node', 'depth_node',
              'The depth node whose page this is, relative to the namespace, or its full name.'),
    Parameter('host', '127.0.0.1',
              'The address to listen on. 127.0.0.1 is this machine alone. With any other, such as '
              '0.0.0.0, whoever reaches it and knows the token that is printed sees the camera and '
              'can change parameters; nothing is encrypted.'),
    Parameter('port', 8080, 'The port; the next free one where it is taken.', low=1, high=65535),
    Parameter('rate', 5.0, 'Pictures and clouds per second at most.', low=0.1, high=60.0),
    Parameter('width', 480, 'Width of each picture in pixels at most.', low=32, high=4096),
    Parameter('points', 15000, 'Points of a cloud at most.', low=100, high=1_000_000),
    Parameter('record.folder', '~/.ros/flashdepth_recordings',
              'Where recordings are written. A page cannot choose it.'),
    Parameter('record.max_size', 2000.0, 'Megabytes after which a recording ends.',
              low=1.0, high=1e6),
)}
