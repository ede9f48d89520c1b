"""`kagami prune`: keep the store within its limits."""

import time
from dataclasses import asdict

import click

from sensor.cli.command import Verb
from sensor.cli.formats import json_value
from sensor.cli.human import human_bytes, plural
from sensor.cli.session import Session


@click.command(cls=Verb, examples="kagami prune --dry-run\nkagami prune")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.pass_obj
def prune(session: Session, dry_run: bool, as_json: bool) -> None:
    """Remove the oldest history beyond the limits of [retention] in the site file, and merge small segments.

    It may run while a capture writes. Findings keep their flows and events, whatever goes of the history. Packets that
    a capture kept go with the history of their time; where the disk is short, they go first.
    """
    from sensor.store.merge import merge_segments, remove_merged
    from sensor.store.prune import Limits
    from sensor.store.prune import prune as prune_store
    from sensor.store.store import Store

    site = session.site()
    limits = Limits(site.lake_days, site.lake_gib, site.results_days, site.keep_gib, site.free_gib)
    session.must_have_store()
    with session.open_store() if dry_run else Store.open_for_notes(session.store_dir) as store:
        deleted = 0 if dry_run else remove_merged(store.lake)  # first: nothing is lost with these
        report = prune_store(store, limits, time.time_ns(), is_trial=dry_run)
        merged = 0 if dry_run else merge_segments(store.lake, report.room_bytes)
    if as_json:
        session.write([json_value(asdict(report) | {"merged": merged, "deleted": deleted}), b"\n"])
        return
    verb = "would go" if dry_run else "went"
    session.write_text(
        f"{plural(report.segments, 'segment')} ({human_bytes(report.bytes)}) {verb}; "
        f"the history begins {report.oldest_day or 'with nothing'}\n"
    )
    if report.packet_files:
        files = plural(report.packet_files, "file")
        session.write_text(f"{files} of kept packets ({human_bytes(report.packet_bytes)}) {verb}\n")
    if not dry_run:
        session.write_text(
            f"{plural(report.findings, 'settled finding')}, {plural(report.health, 'health row')} and "
            f"{plural(report.channels, 'channel')} went; {plural(merged, 'segment')} merged\n"
        )
