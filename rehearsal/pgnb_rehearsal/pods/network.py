"""The cluster's network: a bridge in the wrapper's network namespace, and a veth pair for each pod.

    10.244.0.0/16  pods; the bridge is 10.244.0.1
    10.96.0.0/12   ClusterIPs; the whole range is local (AnyIP), so that a proxy can listen on any of them
    10.250.0.1     the node

Two clusters have two network namespaces, so the same addresses in both never meet.
"""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Iterator

POD_NETWORK = ipaddress.IPv4Network("10.244.0.0/16")
GATEWAY = "10.244.0.1"
SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
NODE_ADDRESS = "10.250.0.1"
_BRIDGE = "pods"
_GATEWAY_LINK = "0a:58:0a:f4:00:01"
"""The bridge's own link address: without one it takes a pod's, changes it when that pod goes, and all others
lose their way to the gateway until their neighbour tables forget the old one."""
_PLACES = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"


def ip_command() -> str | None:
    """The path of iproute2's ip, which an ordinary user's PATH often lacks."""
    return shutil.which("ip") or shutil.which("ip", path=_PLACES)


def build_bridge() -> None:
    """Set up the wrapper's side, in the calling process's network namespace.

    FileNotFoundError without iproute2, CalledProcessError with the kernel's refusal.
    """
    command = ip_command()
    if command is None:
        raise FileNotFoundError(2, "no command 'ip'")
    batch = f"""
link set lo up
link add {_BRIDGE} address {_GATEWAY_LINK} type bridge
addr add {GATEWAY}/{POD_NETWORK.prefixlen} dev {_BRIDGE}
link set {_BRIDGE} up
addr add {NODE_ADDRESS}/32 dev lo
route add local {SERVICE_NETWORK} dev lo
"""
    subprocess.run([command, "-batch", "-"], input=batch, text=True, capture_output=True, check=True)


def host_side(number: int, pid: int) -> str:
    """ip's commands, in the wrapper, that plug the pod whose namespaces `pid` holds into the bridge."""
    link = f"pod{number}"
    return f"link add {link} type veth peer name eth0 netns {pid}\nlink set {link} master {_BRIDGE} up\n"


def pod_side(address: str) -> str:
    """ip's commands, in the pod's network namespace, that give it its address."""
    return (
        f"link set lo up\naddr add {address}/{POD_NETWORK.prefixlen} dev eth0\n"
        f"link set eth0 up\nroute add default via {GATEWAY}\n"
    )


class Addresses:
    """The pods' addresses: handed out in turn, so that one that was freed comes back as late as possible."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._order = self._endless()

    @staticmethod
    def _endless() -> Iterator[str]:
        while True:
            for address in POD_NETWORK.hosts():
                if str(address) != GATEWAY:
                    yield str(address)

    def take(self) -> str:
        """An address that no other pod has."""
        address = next(candidate for candidate in self._order if candidate not in self._used)
        self._used.add(address)
        return address

    def free(self, address: str) -> None:
        """Give an address back."""
        self._used.discard(address)
