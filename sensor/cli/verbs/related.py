"""`kagami related`: who else shares something with a finding."""

import click

from sensor.cli.columns import RELATIONS
from sensor.cli.command import Verb
from sensor.cli.options import limit_option
from sensor.cli.output import emit, format_options, row_limit
from sensor.cli.session import Session


@click.command(
    cls=Verb,
    examples="""
        kagami related 1
        kagami related 1 --json
    """,
)
@click.argument("finding_id", metavar="ID", type=int)
@limit_option
@format_options
@click.pass_obj
def related(session: Session, finding_id: int, limit: int | None, form: str | None) -> None:
    """List other hosts that share something with a finding, the most telling first.

    The same destination, certificate, address, address block, JA3, JA4, HASSH, User-Agent, shape of requests, or a
    finding with the same rhythm. What many hosts share counts for less.
    """
    from sensor.response.dossier import gather
    from sensor.response.related import as_row
    from sensor.response.related import related as share

    with session.open_store() as store:
        rows = [as_row(one) for one in share(store, gather(store, finding_id))]
    limit = row_limit(form, limit)
    emit(session, rows[:limit], len(rows), RELATIONS, form, limit)
