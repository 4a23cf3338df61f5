"""Check the host of a source by URL: which addresses it may have.

THUMBNAIL_SOURCES names a host, but a name's owner can make DNS answer with any address, such as one inside
the server's own network. So the addresses are checked, and each name is resolved only once: the server
connects to the addresses that were checked.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from shrinkmeister.exceptions import SourceNotAllowedError

Address = IPv4Address | IPv6Address


def _networks(*networks: str) -> list[Any]:
    return [ip_network(network) for network in networks]


# Intranets and the machine itself. Other addresses that are not public belong to no web server: link-local,
# multicast, unspecified, reserved, and those for documentation.
PRIVATE = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
)
# Where clouds give secrets to their machines, except for link-local addresses.
METADATA = _networks(
    "100.100.100.200/32",  # Alibaba
    "168.63.129.16/32",  # Azure, among public addresses
    "192.0.0.192/32",  # Oracle
    "fd00:42::42/128",  # Scaleway
    "fd00:ec2::/32",  # AWS
    "fd20:ce::254/128",  # Google
)
# https://www.iana.org/assignments/iana-ipv6-unicast-address-assignments/: contains all public addresses.
UNICAST = ip_network("2000::/3")
# `is_global` of supported Pythons counts these as public. It counts multicast as public too.
NOT_PUBLIC = _networks(
    "192.88.99.0/24",  # relays of 6to4
    "2001::/32",  # Teredo, which contains an IPv4 address
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, which contains an IPv4 address
    "3fff::/20",  # documentation
)
# Hosts without IPv4 reach IPv4 addresses through it: https://www.rfc-editor.org/rfc/rfc6052
NAT64 = ip_network("64:ff9b::/96")


def resolve_checked(host: str, port: int, private: bool) -> list[tuple[socket.AddressFamily, Any]]:
    """Return all addresses of a host, each with its family, as `socket.connect` takes them.

    private  whether the host may have private and loopback addresses

    Raises SourceNotAllowedError if one of the addresses is not allowed; OSError or UnicodeError if the name
    has no address.
    """
    found: list[tuple[Any, ...]] = [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    addresses = [(family, address) for family, _, _, _, address in found]
    for _, (text, *_) in addresses:
        if not is_allowed(ip_address(text), private):
            # The message leaves the address out, because it would show the structure of a network.
            raise SourceNotAllowedError(
                "the source's host has an address that is neither public nor private"
                if private
                else "the source's host has an address that is not public, and THUMBNAIL_PRIVATE_HOSTS "
                "does not list the host"
            )
    return addresses


def is_allowed(address: Address, private: bool) -> bool:
    if isinstance(address, IPv6Address):
        # These lead to an IPv4 address.
        if address.ipv4_mapped:
            address = address.ipv4_mapped
        elif address in NAT64:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
    if _is_in(address, METADATA):
        return False
    is_public = (
        address.is_global
        and not address.is_multicast
        and not _is_in(address, NOT_PUBLIC)
        and (address.version == 4 or address in UNICAST)
    )
    return is_public or (private and _is_in(address, PRIVATE))


def _is_in(address: Address, networks: list[Any]) -> bool:
    return any(address in network for network in networks)
