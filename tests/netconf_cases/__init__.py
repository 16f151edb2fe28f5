"""RFC 6241 and what belongs to it as a table of cases, run against every server that there is."""
