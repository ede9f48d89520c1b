"""The formats of blocklists, one module a family. In: entries. Out: the text of a file, valid also without entries."""
