"""The policy for a secure graph is the node's own, and security that fails keeps the node out."""
import os
from pathlib import Path
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
# which not every setting uses
OPTIONAL = {'/image/compressed', '/reference/depth/image', '/reference/points', '/imu',
            '/reference/depth/camera_info', '/odom', '/tf', '/tf_static', '/clock',
            '/parameter_events'}


def allowed(kind: str, right: str) -> set[str]:
    """Return the full names of the topics or services to which depth_node has a right."""
    profile = ElementTree.parse(POLICY).find('.//profile[@node="depth_node"]')
    names = [element.text for group in profile.findall(f'{kind}s') if group.get(right) == 'ALLOW'
             for element in group.findall(kind)]
    return {name.replace('~', '/depth_node') if name[0] in '~/' else f'/{name}' for name in names}


def test_the_policy_allows_what_the_node_does_and_no_more(rig):
    node = rig().activate().depth_node

    def names(of: str) -> set[str]:
        return {name for name, _ in getattr(node, of)('depth_node', '/')}

    assert names('get_publisher_names_and_types_by_node') == allowed('topic', 'publish')
    subscribed = names('get_subscriber_names_and_types_by_node')
    assert subscribed <= allowed('topic', 'subscribe')
    assert allowed('topic', 'subscribe') - subscribed <= OPTIONAL
    # get_type_description is not in every distribution
    assert allowed('service', 'reply') - names('get_service_names_and_types_by_node') <= {
        '/depth_node/get_type_description'}
    assert names('get_service_names_and_types_by_node') <= allowed('service', 'reply')
    assert not names('get_client_names_and_types_by_node')


def test_the_policy_covers_compressed_images(rig):
    node = rig(**{'input.transport': 'compressed'})
    assert node.change_state('configure') and node.change_state('activate')
    assert {name for name, _ in node.depth_node.get_subscriber_names_and_types_by_node(
        'depth_node', '/')} <= allowed('topic', 'subscribe')


@pytest.mark.parametrize('enclave', ['missing', 'false'])
def test_where_security_is_enforced_and_fails_there_is_no_node(tmp_path, domain, enclave):
    """It does not run unprotected instead; also with a DDS that has no security at all."""
    if enclave == 'false':
        folder = tmp_path / 'enclaves' / 'depth_node'
        folder.mkdir(parents=True)
        for name in ('identity_ca.cert.pem', 'permissions_ca.cert.pem', 'cert.pem', 'key.pem',
                     'governance.p7s', 'permissions.p7s'):
            (folder / name).write_text('nothing')
    process = subprocess.Popen(
        [sys.executable, '-m', 'flashdepth_ros.depth_node', '--ros-args', '--enclave',
         '/depth_node', '-p', 'autostart:=false'],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_SECURITY_ENABLE': 'true',
             'ROS_SECURITY_STRATEGY': 'Enforce', 'ROS_SECURITY_KEYSTORE': str(tmp_path)},
        stderr=subprocess.PIPE, text=True)
    try:
        _, error = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.communicate()
        raise
    assert process.returncode != 0
    assert 'secur' in error.lower() and 'is ready on' not in error
