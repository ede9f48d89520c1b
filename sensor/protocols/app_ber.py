"""Protocols in ASN.1: Kerberos, LDAP and SNMP, over TCP or UDP alike.

Sources: RFC 4120 (kerberos), RFC 4511 (ldap), RFC 1157, 3416 and 3412 (snmp), X.690 (lengths).
"""

import numpy as np
from numba import types

from sensor.constants import APP_KERBEROS, APP_LDAP, APP_NONE, APP_SNMP
from sensor.jit import kernel
from sensor.protocols.reads import FRAMES, HELPER, be16, be32

_INT = types.int64
_CODE = types.int64(FRAMES, types.int64, types.int64)


@kernel(types.UniTuple(_INT, 2)(FRAMES, _INT, _INT), **HELPER)
def _read_der_length(frames, at, end):
    """(length, position behind it) of the DER length at `at`; length -1 when it is cut or of more than four bytes."""
    if at >= end:
        return -1, at
    first = np.int64(frames[at])
    if first < 0x80:
        return first, at + 1
    n_bytes = first & 0x7F
    if n_bytes == 0 or n_bytes > 4 or at + 1 + n_bytes > end:
        return -1, at
    length = np.int64(0)
    for i in range(n_bytes):
        length = (length << 8) | np.int64(frames[at + 1 + i])
    return length, at + 1 + n_bytes


@kernel(_CODE, **HELPER)
def match_kerberos(frames, pos, end):
    """kerberos: an application tag, a sequence, and in it the version number 5."""
    tag = frames[pos]
    if tag not in (0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x7E):
        return APP_NONE
    length, at = _read_der_length(frames, pos + 1, end)
    if length < 0 or at >= end or frames[at] != 0x30:
        return APP_NONE
    length, at = _read_der_length(frames, at + 1, end)
    if length < 0 or at + 5 > end:
        return APP_NONE
    # [1] in a request for a ticket, [0] in everything else, then INTEGER 5
    context = 0xA1 if tag in (0x6A, 0x6C) else 0xA0
    if frames[at] == context and be32(frames, at + 1) == 0x03020105:
        return APP_KERBEROS
    return APP_NONE


@kernel(_CODE, **HELPER)
def match_ber_sequence(frames, pos, end):
    """ldap or snmp: a sequence that starts with a small integer."""
    length, at = _read_der_length(frames, pos + 1, end)
    if length < 7 or at + 3 > end or frames[at] != 0x02:
        return APP_NONE
    n_bytes = np.int64(frames[at + 1])
    if n_bytes < 1 or n_bytes > 4 or at + 2 + n_bytes + 2 > end:
        return APP_NONE
    version = frames[at + 2]
    behind = at + 2 + n_bytes
    tag = frames[behind]
    if tag == 0x04:  # community string, printable as a rule, then the PDU
        pdu = behind + 2 + np.int64(frames[behind + 1])
        if n_bytes == 1 and version <= 1 and pdu < end and 0xA0 <= frames[pdu] <= 0xA8 and at + length == end:
            return APP_SNMP
        return APP_NONE
    if tag == 0x30:  # SNMPv3: msgGlobalData
        return APP_SNMP if n_bytes == 1 and version == 3 and at + length == end else APP_NONE
    inner, body = _read_der_length(frames, behind + 1, end)
    if inner < 0 or behind + 1 + inner > at + length or body >= end:
        return APP_NONE
    if tag == 0x60:  # bindRequest: version 2 or 3
        is_bind = body + 3 <= end and be16(frames, body) == 0x0201 and frames[body + 2] in (2, 3)
        return APP_LDAP if is_bind else APP_NONE
    if tag == 0x63:  # searchRequest: baseObject, an octet string
        return APP_LDAP if frames[body] == 0x04 else APP_NONE
    if tag in (0x61, 0x64, 0x65, 0x78):  # responses: a result code, or an entry's name
        return APP_LDAP if frames[body] in (0x0A, 0x04) else APP_NONE
    if tag == 0x77:  # extendedRequest: an object identifier under [0]
        return APP_LDAP if frames[body] == 0x80 else APP_NONE
    return APP_NONE
