"""The exceptions a person may see. Each message says what was wrong, where, and what to do.

Libraries raise these and never print or exit; the command line maps `exit_code` to the process status.
"""


class KagamiError(Exception):
    """Base of every error that kagami raises on purpose."""

    exit_code = 2


class UsageError(KagamiError):
    """A wrong word on the command line or a wrong value in a file a person wrote (exit 2)."""


class StoreError(KagamiError):
    """The store cannot be opened, is locked by another writer, or is of a newer version (exit 2)."""


class InputError(KagamiError):
    """An input could not be read, or not to its end; what was read is kept (exit 3)."""

    exit_code = 3


class NotACaptureError(InputError):
    """The bytes are no capture file that kagami knows."""


class DamagedCaptureError(InputError):
    """A capture file breaks off or is corrupt; every packet before the damage was delivered."""


class PrivilegeError(KagamiError):
    """A privilege or an outside program is missing (exit 4)."""

    exit_code = 4
