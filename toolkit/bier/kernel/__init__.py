"""The kernel fast path: what `bier.bpf.c` is told, how it is compiled, loaded and attached."""
