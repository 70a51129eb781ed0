"""Where the page may listen."""
import ipaddress
import socket


class AddressError(ValueError):
    """The page cannot be served at an address; the message says why and what to do."""


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address, by its name."""
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return host == 'localhost'


def check_address(host: str) -> None:
    """Raise AddressError where it is none of this machine's: viser would try for ever."""
    try:
        family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.bind((host, 0))
    except OSError as error:
        raise AddressError(
            f'host is {host}, at which this machine cannot listen ({error}): 127.0.0.1 is this '
            f'machine alone, 0.0.0.0 all of its networks') from error
