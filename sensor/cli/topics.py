"""What `kagami help TOPIC` tells beside the help of verbs: things that several verbs share, in a few lines each."""

TOPICS = {
    "start": (
        "The first five minutes.",
        """
        kagami demo                       what kagami does, on a bundled capture
        kagami replay day.pcap            a capture of your own; name your networks with --internal
        kagami findings                   what was found, the most telling first
        kagami show 1                     one of them: why, when, who else, what to do
        kagami status                     what was read, and what was lost on the way

        Everything is kept in ./kagami-store, or where --store or KAGAMI_STORE says.
        """,
    ),
    "investigate": (
        "From a finding to action.",
        """
        kagami show 1 --deep              certificates, requests and logins, as tshark reads them
        kagami related 1                  other hosts with the same destination, certificate, fingerprint, rhythm
        kagami timeline 10.0.0.57         that host's day in order
        kagami hunt evil.example          was it ever contacted, by whom, since when; -f FILE for a feed
        kagami triage 1 confirmed         tell the others, with --note
        kagami allow add NAME --reason    what need not be reported, and until when
        kagami blocklist                  what to block; kagami quarantine: whom to isolate
        kagami evidence 1 -o DIR          packets, rows and hashes for the expert
        kagami report -o report.html      one page of it all, --lang ja for Japanese
        """,
    ),
    "filters": (
        "Words that choose rows.",
        """
        --host takes an address or a network. --dest also a name, which stands for itself and all under it.
        A filter given twice takes either value; different filters must all hold. A value that nothing can
        match is an error. --since and --until take 2026-11-22T10:00:00Z, 2026-11-22, or an age: -24h, 7d.
        """,
    ),
    "formats": (
        "Rows for people and programs.",
        """
        On a terminal a table of what fits; in a pipe TSV with all fields. --json, --ndjson and --csv anywhere.
        No limit is hidden. Text from the network is shown with controls and bidi marks as escapes; CSV cells
        that a spreadsheet would compute get a leading '. `kagami findings --format` writes ECS, OCSF, CEF, EVE.
        """,
    ),
    "exit-codes": (
        "What the exit code says.",
        """
        0    done
        1    an open finding is at or above --fail-on
        2    usage or configuration
        3    input incomplete: what could be read is stored
        4    a privilege or an outside program is missing
        70   a bug in kagami
        130  interrupted; the store is valid
        """,
    ),
    "environment": (
        "Variables that are read.",
        """
        KAGAMI_STORE     the store, as --store
        KAGAMI_SITE      the site file, as --site
        NO_COLOR, CLICOLOR, FORCE_COLOR, CLICOLOR_FORCE, COLUMNS, TERM
        NUMBA_CACHE_DIR  where compiled kernels are kept
        """,
    ),
}
"""Topic -> one line, and its text; command lines in it are real."""
