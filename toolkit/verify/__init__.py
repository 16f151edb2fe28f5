"""Is the network right, and does it stay so when something fails?

Pure, except `projection` (reads templates, writes a snapshot) and `batfish` (asks a service).
`multicast.CHECKS` is the table of checks, `catalogue.KINDS` that of findings.
"""
