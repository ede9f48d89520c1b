"""What analyzers say, and the same in other languages: `english` is called, `japanese` is told from what it kept."""
