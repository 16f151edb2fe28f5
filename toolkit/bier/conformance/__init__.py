"""The conformance suite of the BIER data plane: vectors, and what runs them.

`plane` (what a data plane has to offer), `vector` (steps, expanded), `judge` (runs one on the
other).  RFC 8279, RFC 8296.  The vectors are in tests/vectors/bier.  Pure.
"""

from __future__ import annotations
