"""What `flows`, `events` and `dns` share: one question to the store, its rows to the user."""

from typing import Any, Literal

from sensor.cli.columns import Kind
from sensor.cli.output import emit, row_limit
from sensor.cli.session import Session


def ask(
    session: Session,
    question: Literal["flows", "events", "dns"],
    columns: Kind,
    /,
    *,
    form: str | None,
    limit: int | None,
    **filters: Any,
) -> None:
    """Ask `question` of sensor.store.questions and write the answer; `filters` are the verb's options, by its names."""
    from sensor.store import questions

    limit = row_limit(form, limit)
    with session.open_store() as store:
        rows, total = getattr(questions, question)(store, limit=limit, **filters)
        emit(session, rows, total, columns, form, limit)
