"""What a results database is recognised by, and the words its columns may hold. Imports nothing."""

APPLICATION_ID = 0x6B67616D
"""SQLite's application_id of a kagami database: "kgam"."""

SCHEMA_VERSION = 10
"""The number of migrations this kagami knows; SQLite's user_version of a database it wrote."""

OLDEST_READABLE = 1
"""The oldest version that commands read as it is, without a writer that brings it up to date first."""

DATABASE_NAME = "kagami.sqlite"
LAKE_NAME = "lake"
LOCK_NAME = "lock"
SPILL_NAME = ".spill"
PACKETS_NAME = "packets"

LIVE_PREFIX = "live"
"""The identity of a live capture begins with it; that of any other source is the hash of its content."""

UNREAD_PREFIX = "unread"
"""The identity of a file begins with it until it was read to its end and the hash of its content is known."""

SOURCE_RUNNING = "running"
SOURCE_COMPLETE = "complete"
SOURCE_DAMAGED = "damaged"
SOURCE_INTERRUPTED = "interrupted"
SOURCE_STATES = (SOURCE_RUNNING, SOURCE_COMPLETE, SOURCE_DAMAGED, SOURCE_INTERRUPTED)
"""running: being read; complete: read to its end; damaged: as far as it goes; interrupted: to be read again."""

SETTINGS = "settings"
"""The kind of those counters that are no counts but what a source was read with; they are never added up."""

FINDING_STATES = ("new", "investigating", "confirmed", "false-positive", "resolved")
"""Where a person stands with a finding."""

SETTLED_STATES = ("false-positive", "resolved")
"""Those in which nothing is left to do."""

BENEATH_FINDING = ("finding_flow", "finding_channel", "finding_part")
"""Tables whose rows go with their finding."""

FINDING_KEY = ("analyzer", "orig_ip", "dest", "resp_port", "proto")
"""What makes two findings the same."""
