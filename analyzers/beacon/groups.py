"""Channels of one host that reach one address under several names, merged: a beat split over names shows again."""

from collections import defaultdict

import numpy as np

from analyzers.series import Series


def same_address_groups(series: Series) -> list[list[int]]:
    """Channel numbers of each group: same client, same single address, port and protocol, different names.

    Channels through a proxy have the proxy's address and are left alone.
    """
    members: defaultdict[tuple[str, str, int, str], list[int]] = defaultdict(list)
    for i, addresses in enumerate(series.dest_ips):
        if len(addresses) == 1 and not series.via_proxy[i]:
            members[series.orig_ip[i], addresses[0], series.resp_port[i], series.proto[i]].append(i)
    return [group for group in members.values() if len(group) > 1]


def merge_groups(series: Series, groups: list[list[int]]) -> Series:
    """A series with one channel a group, whose destination is the address; `groups` not empty."""
    lengths = np.diff(series.off)
    orders = []
    for group in groups:
        index = np.concatenate([np.arange(series.off[i], series.off[i + 1]) for i in group])
        orders.append(index[np.argsort(series.ts_ns[index], kind="stable")])
    order = np.concatenate(orders)
    leaders = [max(group, key=lambda i: int(lengths[i])) for group in groups]
    return Series(
        off=np.concatenate([[0], np.cumsum([len(index) for index in orders])]).astype(np.int64),
        ts_ns=series.ts_ns[order],
        orig_bytes=series.orig_bytes[order],
        resp_bytes=series.resp_bytes[order],
        duration_s=series.duration_s[order],
        answered=series.answered[order],
        orig_ip=[series.orig_ip[i] for i in leaders],
        dest=[series.dest_ips[i][0] for i in leaders],
        dest_ips=[series.dest_ips[i] for i in leaders],
        resp_port=[series.resp_port[i] for i in leaders],
        proto=[series.proto[i] for i in leaders],
        name_source=[series.name_source[i] for i in leaders],
        via_proxy=[""] * len(groups),
        kind=[series.kind[i] for i in leaders],
    )
