"""`kagami warmup`: compile the kernels now."""

import time

import click

from sensor.cli.command import Verb
from sensor.cli.human import human_duration
from sensor.cli.session import Session
from sensor.errors import PrivilegeError


@click.command(cls=Verb, examples="kagami warmup\nNUMBA_CACHE_DIR=/var/cache/kagami kagami warmup")
@click.pass_obj
def warmup(session: Session) -> None:
    """Compile the kernels into the cache, if they are not there yet; the service does so before it captures.

    The cache belongs to the account that made it, and to this version of kagami on this processor.
    """
    from sensor.jit import CACHE_DIR, first_run
    from sensor.warmup import compile_rest, warm_up

    if CACHE_DIR is None:
        raise PrivilegeError(
            "there is no folder to keep compiled kernels in; set NUMBA_CACHE_DIR to one that is writable"
        )
    started = time.monotonic()
    was_needed = first_run()
    if was_needed:
        session.say("compiling kernels (up to 30 s)")
        warm_up()
    else:
        compile_rest()
    done = "compiled" if was_needed else "were there, loaded"
    session.say(f"kernels {done} in {human_duration(time.monotonic() - started)}: {CACHE_DIR}")
