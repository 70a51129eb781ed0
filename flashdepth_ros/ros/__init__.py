"""Everything that is ROS and not of one node: messages, QoS, executor, parameters, processes."""
