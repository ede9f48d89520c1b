"""The general dissector: one frame, whatever its link layer and tunnels, into one or more PACKET rows.

Never reads outside the frame; inside a tunnel, never outside the payload that carries it.
"""

import numpy as np
from numpy.typing import NDArray

from sensor import constants as c
from sensor.decode.fragments import follow_first, remember_first
from sensor.decode.layers import LAYER_IP, find_ip
from sensor.decode.link import enter_link
from sensor.decode.network import decode_ipv4, decode_ipv6
from sensor.decode.reads import byte_at
from sensor.decode.transport import decode_transport, place_payload
from sensor.decode.tunnels import enter_gre, enter_udp_tunnel
from sensor.jit import packet_kernel

MAX_ROWS_A_FRAME = c.MAX_TUNNELS + 1
"""A UDP tunnel adds a row; the row under trial never lies behind these either."""


@packet_kernel()
def dissect(
    frames: NDArray[np.uint8],
    start: int,
    end: int,
    wire_end: int,
    link: int,
    vlan: int,
    ts_ns: int,
    packets: NDArray[np.void],
    row: int,
    fragments: NDArray[np.void],
    secret: NDArray[np.uint64],
    blank: NDArray[np.void],
) -> int:
    """Fill rows from `row` on, all but ts_ns and frame; returns the index after the last one, at least row + 1.

    A packet inside a tunnel is decoded into the row after the last one that stands. Only when that went well does it
    replace the row of an IP tunnel, or turn the row of a UDP tunnel into a carrier and stand behind it. So a tunnel
    that holds nothing decodable leaves the row that its outer header gave.
    """
    status, layer, ethertype, pos = enter_link(frames, link, start, end)
    n_tags, inner_vlan = (1 if vlan != 0 else 0), np.int64(0)  # a bare 0 is a type of its own: another compile
    tunnel, depth = c.TUNNEL_NONE, 0
    last = row - 1  # the last row that stands
    replaces = False
    first_place = -1  # the fragment table's entry of the row `last`, if that is a first fragment
    while True:
        current = last + 1
        packets[current] = blank[0]
        if status == c.STATUS_OK:
            status, pos, n_tags, vlan, inner_vlan = find_ip(
                frames, layer, ethertype, pos, end, n_tags, vlan, inner_vlan
            )
        packets["vlan_id"][current] = vlan
        packets["inner_vlan_id"][current] = inner_vlan
        packets["tunnel"][current] = tunnel
        packets["tunnel_depth"][current] = depth
        proto, fragment, ident, named_proto, current_place = 0, c.FRAGMENT_NONE, 0, 0, -1
        if status == c.STATUS_OK:
            version = byte_at(frames, pos) >> 4
            if version == 4:
                status, proto, pos, wire_end, fragment, ident, named_proto = decode_ipv4(
                    frames, pos, end, wire_end, packets, current
                )
            elif version == 6:
                status, proto, pos, wire_end, fragment, ident, named_proto = decode_ipv6(
                    frames, pos, end, wire_end, packets, current
                )
            else:
                status = c.STATUS_MALFORMED_IP
            end = min(end, wire_end)
        has_ports = proto in (c.PROTO_TCP, c.PROTO_UDP, c.PROTO_SCTP, c.PROTO_ICMP, c.PROTO_ICMP6)
        if status == c.STATUS_OK:
            if fragment == c.FRAGMENT_LATER:
                place_payload(pos, end, wire_end, packets, current)
                status = follow_first(fragments, secret, packets, current, ident, named_proto, ts_ns)
                if status == c.STATUS_ORPHAN_FRAGMENT and not has_ports:
                    status = c.STATUS_OK
            else:
                status = decode_transport(
                    frames, proto, pos, end, wire_end, fragment == c.FRAGMENT_FIRST, packets, current
                )
                if status == c.STATUS_OK and fragment == c.FRAGMENT_FIRST and has_ports:
                    current_place = remember_first(fragments, secret, packets, current, ident, named_proto, ts_ns)
        packets["status"][current] = status
        if status not in (c.STATUS_OK, c.STATUS_ORPHAN_FRAGMENT):
            return max(last, row) + 1

        if replaces:
            packets[last] = packets[current]
        else:
            if last >= row:
                packets["is_carrier"][last] = 1
                if first_place >= 0:
                    fragments["is_carrier"][first_place] = 1
            last = current
        first_place = current_place
        if fragment == c.FRAGMENT_LATER:
            return last + 1
        inside, layer, ethertype = c.TUNNEL_NONE, LAYER_IP, 0
        if proto == c.PROTO_UDP:
            pos = packets["payload_off"][last]
            end = pos + packets["payload_cap"][last]
            wire_end = pos + packets["payload_len"][last]
            inside, layer, ethertype, pos = enter_udp_tunnel(
                frames,
                np.int64(packets["src_port"][last]),
                np.int64(packets["dst_port"][last]),
                pos,
                end,
                wire_end,
            )
        elif proto == c.PROTO_GRE:
            inside, layer, ethertype, pos = enter_gre(frames, pos, end)
        elif proto == c.PROTO_IPIP or proto == c.PROTO_IPV6:
            is_6in4 = proto == c.PROTO_IPV6 and packets["ip_version"][last] == 4
            inside = c.TUNNEL_6IN4 if is_6in4 else c.TUNNEL_IPIP
        if inside == c.TUNNEL_NONE:
            return last + 1
        if depth == c.MAX_TUNNELS:
            packets["status"][last] = c.STATUS_TUNNEL_TOO_DEEP
            return last + 1
        tunnel, depth, n_tags = inside, depth + 1, 2
        replaces = proto != c.PROTO_UDP
