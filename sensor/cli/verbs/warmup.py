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
    from sensor.warmup import compile_keeping, compile_rest, is_warm, kernels_folder, warm_up

    folder = kernels_folder()
    if folder is None:
        raise PrivilegeError(
            "there is no folder to keep compiled kernels in; set NUMBA_CACHE_DIR to one that is writable"
        )
    started = time.monotonic()
    was_warm = is_warm()
    if was_warm:
        compile_rest()
    else:
        session.say("compiling kernels (up to 30 s)")
        warm_up()
    compile_keeping()
    done = "were there, loaded" if was_warm else "compiled"
    session.say(f"kernels {done} in {human_duration(time.monotonic() - started)}: {folder}")
