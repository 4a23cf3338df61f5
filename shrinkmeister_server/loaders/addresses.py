"""The addresses of hosts that sources by URL may be read from: public ones, and private ones if it is said.

What an allow-list names is a name, and whoever answers for it in DNS may answer with anything: so what
counts is the address, and a name is resolved once, for judging and for connecting.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from shrinkmeister.exceptions import SourceNotAllowedError

Address = IPv4Address | IPv6Address

# What an intranet has, and the machine itself. The rest that is not public is nobody's web server:
# link-local, multicast, unspecified, reserved, for examples.
PRIVATE = [
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
]
# Where clouds tell their machines secrets; those that are not link-local.
METADATA = [
    ip_network(network)
    for network in (
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure, amid public addresses
        "192.0.0.192/32",  # Oracle
        "fd00:42::42/128",  # Scaleway
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google
    )
]
# https://www.iana.org/assignments/iana-ipv6-unicast-address-assignments/: all public ones are in here.
UNICAST = ip_network("2000::/3")
# What `is_global` of supported Pythons calls public: multicast is another gap.
NOT_PUBLIC = [
    ip_network(network)
    for network in (
        "192.88.99.0/24",  # relays of 6to4
        "2001::/32",  # Teredo, with an IPv4 address inside
        "2001:db8::/32",  # for examples
        "2002::/16",  # 6to4, with an IPv4 address inside
        "3fff::/20",  # for examples
    )
]
# IPv6's way to IPv4, of hosts that have no IPv4 themselves: https://www.rfc-editor.org/rfc/rfc6052
NAT64 = ip_network("64:ff9b::/96")


def judged_addresses(host: str, port: int, private: bool) -> list[tuple[socket.AddressFamily, Any]]:
    """All addresses of a host, each with its family, as `socket.connect` takes them.

    private: whether the host may have private and loopback addresses. Raises SourceNotAllowedError where
    one of the addresses is not allowed; OSError or UnicodeError where the name has none.
    """
    found: list[tuple[Any, ...]] = [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    addresses = [(family, address) for family, _, _, _, address in found]
    for _, (text, *_) in addresses:
        if not allowed_address(ip_address(text), private):
            # Not the address: it says how a network looks inside.
            raise SourceNotAllowedError(
                "the source's host has an address that is neither public nor private"
                if private
                else "the source's host has an address that is not public, and THUMBNAIL_PRIVATE_HOSTS "
                "does not list the host"
            )
    return addresses


def allowed_address(address: Address, private: bool) -> bool:
    address = _meant(address)
    if _in(address, METADATA):
        return False
    return _public(address) or (private and _in(address, PRIVATE))


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _public(address: Address) -> bool:
    if address.version == 6 and address not in UNICAST:
        return False
    return address.is_global and not address.is_multicast and not _in(address, NOT_PUBLIC)


def _in(address: Address, networks: list[Any]) -> bool:
    return any(address in network for network in networks)
