"""The verb that tells: findings that are new or graver go to the outlets of the site file, each at its own pace."""

import time
from dataclasses import dataclass

from analyzers.finding import SEVERITIES
from sensor.outlets.senders import Send, senders
from sensor.settings import Outlets
from sensor.store.outbox import note_failure, note_sent, waiting
from sensor.store.store import Store

TEST_FINDING = {
    "id": 0, "analyzer": "test", "orig_ip": "192.0.2.1", "dest": "test.example", "dest_ips": ["203.0.113.1"],
    "resp_port": 443, "proto": "tcp", "score": 0.0, "severity": "low", "first_ts": 0, "last_ts": 0, "events": 0,
    "interval_s": 0.0, "jitter_frac": 0.0, "via_proxy": "", "outcome": "", "techniques": [], "state": "new", "note": "",
    "reasons": ["this is a test of the outlet; nothing was found"],
}  # fmt: skip


@dataclass(slots=True)
class Delivery:
    """What became of one outlet. sent : messages; left : entries that wait; error : why, empty when nothing failed."""

    outlet: str
    sent: int = 0
    left: int = 0
    error: str = ""


def notify(store: Store, outlets: Outlets) -> list[Delivery]:
    """Tell every outlet what it was not told yet, up to its limit. Raises: StoreError.

    store : opened with open_for_notes
    """
    return [_deliver(store, outlets, name, send) for name, send in senders(outlets).items()]


def _deliver(store: Store, outlets: Outlets, name: str, send: Send) -> Delivery:
    delivery = Delivery(name)
    lowest = SEVERITIES.index(outlets.min_severity)
    for number, change, found in waiting(store, name, time.time_ns()):
        if delivery.error or delivery.sent >= outlets.per_minute:
            delivery.left += 1
            continue
        if found is not None and SEVERITIES.index(found["severity"]) >= lowest:
            try:
                send(found, change)
            except (OSError, ValueError) as error:
                delivery.error = str(error) or type(error).__name__
                delivery.left += 1
                note_failure(store, name, delivery.error, time.time_ns())
                continue
            delivery.sent += 1
        note_sent(store, name, number, time.time_ns())
    return delivery


def try_outlets(outlets: Outlets) -> list[Delivery]:
    """Send one test message to each outlet."""
    deliveries = []
    for name, send in senders(outlets).items():
        delivery = Delivery(name)
        try:
            send(TEST_FINDING, "test")
            delivery.sent = 1
        except (OSError, ValueError) as error:
            delivery.error = str(error) or type(error).__name__
        deliveries.append(delivery)
    return deliveries
