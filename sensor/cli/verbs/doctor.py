"""`kagami doctor`: check this machine, and an interface, for what a sensor needs."""

from dataclasses import asdict

import click

from sensor.cli.clean import clean
from sensor.cli.command import Verb
from sensor.cli.formats import json_value
from sensor.cli.session import Session

EXIT_FAILED = 1


@click.command(
    cls=Verb, examples="kagami doctor\nkagami doctor eth1\nkagami doctor eth1 --seconds 30\nkagami doctor --selftest"
)
@click.argument("interface", required=False, metavar="[IFACE]")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.5, max=3600),
    default=5.0,
    metavar="N",
    help="How long to listen to the interface [default: 5].",
)
@click.option("--selftest", is_flag=True, help="Play a beacon and a bypass through this installation: are they found?")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array.")
@click.pass_obj
def doctor(session: Session, interface: str | None, seconds: float, selftest: bool, as_json: bool) -> None:
    """Say line by line what is right, what is not, and how to put it right; exit with 1 if something fails.

    It changes nothing. Listening to an interface needs the capability CAP_NET_RAW.
    """
    from sensor.doctor.machine import machine_checks, store_checks

    site = session.site()
    checks = [*machine_checks(), *store_checks(session.store_dir, site, session.site_file)]
    if interface:
        from sensor.doctor.interface import interface_checks

        session.say(f"listening to {interface} for {seconds:g} s")
        checks += interface_checks(interface, seconds)
    if selftest:
        from sensor.doctor.selftest import selftest_checks

        session.say("playing a beacon and a bypass, about 15 s")
        checks += selftest_checks()
    if as_json:
        session.write([json_value([asdict(check) for check in checks]), b"\n"])
    else:
        lines = []
        for check in checks:
            lines.append(f"{check.status:<5} {clean(check.name):<17} {clean(check.told)}")
            if check.fix:
                lines.append(f"{'':<23} -> {clean(check.fix)}")
        session.write_text("".join(f"{line}\n" for line in lines))
    if any(check.status == "fail" for check in checks):
        raise click.exceptions.Exit(EXIT_FAILED)
