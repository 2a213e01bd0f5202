"""Addresses of pods."""

from __future__ import annotations

import ipaddress

from pgnb_rehearsal.pods import network


def test_addresses_are_distinct_and_in_the_pod_network() -> None:
    addresses = network.Addresses()
    taken = [addresses.take() for _ in range(300)]
    assert len({*taken, network.GATEWAY}) == 301
    assert all(ipaddress.IPv4Address(address) in network.POD_NETWORK for address in taken)


def test_a_freed_address_is_not_given_away_at_once() -> None:
    addresses = network.Addresses()
    first = addresses.take()
    addresses.free(first)
    assert addresses.take() != first


def test_a_full_round_skips_what_is_in_use() -> None:
    addresses = network.Addresses()
    kept = addresses.take()
    for _ in range(network.POD_NETWORK.num_addresses - 4):
        addresses.free(addresses.take())
    assert addresses.take() not in (kept, network.GATEWAY)


def test_the_networks_do_not_overlap() -> None:
    assert not network.POD_NETWORK.overlaps(network.SERVICE_NETWORK)
    for net in (network.POD_NETWORK, network.SERVICE_NETWORK):
        assert ipaddress.IPv4Address(network.NODE_ADDRESS) not in net
