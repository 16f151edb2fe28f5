"""Networks that others wrote down (GML, containerlab, Ansible) as text of an inventory.

`gml`, `zoo`, `containerlab`, `ansible` read; `draft` is what they all make; `assemble` and `text`
turn it into an inventory's files.  Nothing here opens a file: bytes come in, text goes out.
"""
