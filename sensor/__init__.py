"""kagami: a passive network sensor for a mirror port; the same program replays captures."""

__version__ = "0.1.0"
