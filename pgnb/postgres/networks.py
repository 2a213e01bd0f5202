"""Where a standby's connections come from: the cluster's pod networks, for rules of pg_hba.conf."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from pgnb.core.errors import ClusterError
from pgnb.postgres.config.hbarule import network
from pgnb.postgres.server import Server

_FALLBACK_PREFIX = {4: 16, 6: 64}


def pod_networks(server: Server) -> tuple[str, ...]:
    """The ranges that pods get their addresses from, as CIDR.

    Those of the nodes, where they may be read and hold the server's own address; some networks give
    addresses otherwise, and then it is the /16 (IPv6: /64) around the server's address.
    """
    address = ip_address(server.pod.ip)
    ranges = _ranges_of_nodes(server)
    if any(address in held for held in map(network, ranges) if held is not None):
        return ranges
    return (str(ip_network(f"{address}/{_FALLBACK_PREFIX[address.version]}", strict=False)),)


def _ranges_of_nodes(server: Server) -> tuple[str, ...]:
    try:
        nodes = server.cluster.list("nodes")
    except ClusterError:
        # Nodes are not in the namespace, and often may not be read; the fallback does without them.
        return ()
    found = (cidr for node in nodes for cidr in (node.get("spec") or {}).get("podCIDRs") or ())
    return tuple(sorted(set(found)))
