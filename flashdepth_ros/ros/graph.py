"""What the ROS graph tells of a topic, and in words what is wrong with it."""
from rclpy.node import Node

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
SUFFIX = '/compressed'


def type_name(kind: type) -> str:
    """Return a message class's name in the graph, such as sensor_msgs/msg/Image."""
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


def published_types(node: Node, topic: str) -> set[str]:
    """Return the types that are published on a topic (its full name)."""
    return {info.topic_type for info in node.get_publishers_info_by_topic(topic)}


def compressed_topic(node: Node, image: str) -> str:
    """Return the full name of the compressed topic of an image topic, given as a relative name.

    It lies below the raw one's, also where that is remapped, unless it is remapped itself.
    """
    name = f'{image}{SUFFIX}'
    resolved = node.resolve_topic_name(name)
    if resolved != node.resolve_topic_name(name, only_expand=True):
        return resolved
    return node.resolve_topic_name(image) + SUFFIX


def type_problem(node: Node, topic: str, kind: type) -> str | None:
    """Say that a topic (its full name) carries another type than is listened to, and what to do.

    kind: the message class that is listened to. None where it is published, or nothing near it is.
    """
    wanted, types = type_name(kind), published_types(node, topic)
    if wanted in types:
        return None
    if wanted == RAW:
        if COMPRESSED in types:
            if topic.endswith(SUFFIX):
                return (f'{topic} carries compressed images, and raw ones are awaited: set '
                        f'input.transport to compressed and image:={topic.removesuffix(SUFFIX)}')
            return (f'{topic} carries compressed images, and raw ones are awaited: set '
                    f'input.transport to compressed and remap image/compressed:={topic}')
        if not types and COMPRESSED in published_types(node, topic + SUFFIX):
            return (f'nothing is published on {topic}, but compressed images are on '
                    f'{topic}{SUFFIX}: set input.transport to compressed')
    if wanted == COMPRESSED:
        base = topic.removesuffix(SUFFIX)
        if RAW in types:
            return (f'{topic} carries raw images, and compressed ones are awaited: set '
                    f'input.transport to raw and image:={topic}')
        if not types and base != topic:
            beside = published_types(node, base)
            if COMPRESSED in beside:
                raw = base.removesuffix(SUFFIX)
                remedy = (f'give the name without it, image:={raw}' if raw != base
                          else f'remap image/compressed:={base}')
                return (f'nothing is published on {topic}, but compressed images are on {base}: '
                        f'{SUFFIX} is appended to the image topic, so {remedy}')
            if RAW in beside:
                return (f'nothing is published on {topic}, but raw images are on {base}: set '
                        f'input.transport to raw')
    if types:
        return (f"{topic} carries {', '.join(sorted(types))}, and {wanted} is awaited: "
                f'remap to the right topic')
    return None
