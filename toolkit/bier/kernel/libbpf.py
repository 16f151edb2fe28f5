"""The one door to libbpf.so.1: objects, maps, programs and links of the kernel's BPF, by ctypes.

Not bpftool: that needs a mounted bpffs and pins, which outlive a crash; here everything hangs on
file descriptors of this process, and the kernel takes it away with them.  Every failure is an
EnvironmentProblem that says what was refused and, where it is known, why.
"""

from __future__ import annotations

import ctypes as c
import errno
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from struct import Struct
from typing import Any, Final

from toolkit.errors import EnvironmentProblem

TCX_INGRESS: Final = 46
"""BPF_TCX_INGRESS: attach type of a link, since Linux 6.6."""
XDP: Final = 37
"""BPF_XDP."""
NATIVE: Final = 1 << 2
"""XDP_FLAGS_DRV_MODE."""
LIVE_FRAMES: Final = 1 << 1
"""BPF_F_TEST_XDP_LIVE_FRAMES: what the program lets pass is really received or sent."""
_CAPABILITIES: Final = {"CAP_BPF": (39, 21), "CAP_PERFMON": (38, 21), "CAP_NET_ADMIN": (12,)}
"""Each, or CAP_SYS_ADMIN (21) where that is enough."""
_PRINT: Final = c.CFUNCTYPE(c.c_int, c.c_int, c.c_char_p, c.c_void_p)
_said: list[str] = []


class TestRun(c.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = [
        ("sz", c.c_size_t), ("data_in", c.c_void_p), ("data_out", c.c_void_p),
        ("data_size_in", c.c_uint32), ("data_size_out", c.c_uint32),
        ("ctx_in", c.c_void_p), ("ctx_out", c.c_void_p),
        ("ctx_size_in", c.c_uint32), ("ctx_size_out", c.c_uint32),
        ("retval", c.c_uint32), ("repeat", c.c_int), ("duration", c.c_uint32),
        ("flags", c.c_uint32), ("cpu", c.c_uint32), ("batch_size", c.c_uint32),
    ]  # fmt: skip


class _LinkOptions(c.Structure):
    """struct bpf_link_create_opts, its beginning and room for the rest."""

    _fields_ = [("sz", c.c_size_t), ("flags", c.c_uint32), ("rest", c.c_uint8 * 52)]


def _library() -> c.CDLL:
    try:
        library = c.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise EnvironmentProblem(
            "libbpf.so.1 is missing; install it (Debian: apt-get install libbpf1)"
        ) from error
    pointer, text, number = c.c_void_p, c.c_char_p, c.c_int
    for name, result, arguments in (
        ("bpf_object__open_file", pointer, [text, pointer]),
        ("bpf_object__load", number, [pointer]),
        ("bpf_object__close", None, [pointer]),
        ("bpf_object__find_map_by_name", pointer, [pointer, text]),
        ("bpf_object__find_program_by_name", pointer, [pointer, text]),
        ("bpf_map__fd", number, [pointer]),
        ("bpf_map__set_max_entries", number, [pointer, c.c_uint32]),
        ("bpf_map__reuse_fd", number, [pointer, number]),
        ("bpf_program__fd", number, [pointer]),
        ("bpf_map_update_elem", number, [number, pointer, pointer, c.c_uint64]),
        ("bpf_map_update_batch", number, [number, pointer, pointer, pointer, pointer]),
        ("bpf_map_lookup_elem", number, [number, pointer, pointer]),
        ("bpf_prog_test_run_opts", number, [number, pointer]),
        ("bpf_link_create", number, [number, number, number, pointer]),
        ("bpf_link_update", number, [number, number, pointer]),
        ("bpf_tc_hook_create", number, [pointer]),
        ("bpf_tc_hook_destroy", number, [pointer]),
        ("bpf_tc_attach", number, [pointer, pointer]),
        ("bpf_tc_detach", number, [pointer, pointer]),
        ("libbpf_num_possible_cpus", number, []),
        ("libbpf_set_print", pointer, [pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Libbpf:
    """What this process asks of libbpf."""

    def __init__(self) -> None:
        self._library = _library()
        self._printing = _PRINT(_keep)  # kept, or ctypes would free it under libbpf
        self._library.libbpf_set_print(c.cast(self._printing, c.c_void_p))
        self.cpus: int = self._library.libbpf_num_possible_cpus()

    def call(self, name: str, *arguments: Any) -> int:  # noqa: ANN401 - as C has it
        """Call a function that answers with a number; OSError where it is negative."""
        answer: int = getattr(self._library, name)(*arguments)
        if answer < 0:
            number = -answer if answer != -1 else c.get_errno()
            raise OSError(number, os.strerror(number))
        return answer

    def pointer(self, name: str, *arguments: Any) -> int:  # noqa: ANN401 - as C has it
        """Call a function that answers with a pointer; OSError for NULL."""
        answer: int | None = getattr(self._library, name)(*arguments)
        if not answer:
            number = c.get_errno()
            raise OSError(number, os.strerror(number))
        return answer


class Map:
    """One map of a loaded object."""

    def __init__(self, library: Libbpf, fd: int, name: str) -> None:
        self._library, self.fd, self._name = library, fd, name

    def put(self, key: bytes, value: bytes) -> None:
        """Write one entry, at once for every packet that comes after."""
        try:
            self._library.call("bpf_map_update_elem", self.fd, key, value, 0)
        except OSError as error:
            raise _refused(f"an entry of map {self._name}", error) from error

    def put_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Write many entries by one call of the kernel."""
        if not keys:
            return
        count = c.c_uint32(len(keys))
        arguments = (self.fd, b"".join(keys), b"".join(values), c.byref(count), None)
        try:
            self._library.call("bpf_map_update_batch", *arguments)
        except OSError as error:
            raise _refused(f"entries of map {self._name}", error) from error

    def get(self, key: bytes, size: int) -> bytes:
        """Return the octets of one entry; of a per-CPU map those of all CPUs."""
        value = c.create_string_buffer(size)
        try:
            self._library.call("bpf_map_lookup_elem", self.fd, key, value)
        except OSError as error:
            raise _refused(f"reading map {self._name}", error) from error
        return value.raw


class Object:
    """A compiled object: open, sized, loaded; `close` gives everything of it back."""

    def __init__(self, library: Libbpf, path: Path) -> None:
        self._library = library
        try:
            self._object = library.pointer("bpf_object__open_file", str(path).encode(), None)
        except OSError as error:
            raise EnvironmentProblem(
                f"{path} is no object of BPF programs; remove it, and it is compiled anew"
            ) from error

    def size(self, name: str, entries: int) -> None:
        """Give a map that many entries; before `load`."""
        self._on_map("bpf_map__set_max_entries", name, max(entries, 1))

    def share(self, name: str, fd: int) -> None:
        """Use a map that exists already; before `load`."""
        self._on_map("bpf_map__reuse_fd", name, fd)

    def _on_map(self, function: str, name: str, argument: int) -> None:
        where = self._library.pointer("bpf_object__find_map_by_name", self._object, name.encode())
        self._library.call(function, where, argument)

    def load(self) -> None:
        """Make the maps and have the kernel verify the programs."""
        _said.clear()
        try:
            self._library.call("bpf_object__load", self._object)
        except OSError as error:
            raise _refused("the BIER program", error) from error

    def map(self, name: str) -> Map:
        where = self._library.pointer("bpf_object__find_map_by_name", self._object, name.encode())
        return Map(self._library, self._library.call("bpf_map__fd", where), name)

    def program(self, name: str) -> int:
        """Return the file descriptor of a program; it lives as long as this object."""
        find = "bpf_object__find_program_by_name"
        where = self._library.pointer(find, self._object, name.encode())
        return self._library.call("bpf_program__fd", where)

    def close(self) -> None:
        if self._object:
            self._library._library.bpf_object__close(self._object)  # it answers nothing
            self._object = 0


class Link:
    """A program at work on an interface, for as long as this process holds it."""

    def __init__(
        self, library: Libbpf, program: int, ifindex: int, kind: int = TCX_INGRESS, flags: int = 0
    ) -> None:
        self._library = library
        options = _LinkOptions(sz=c.sizeof(_LinkOptions), flags=flags)
        given = c.byref(options) if flags else None
        self._fd = library.call("bpf_link_create", program, ifindex, kind, given)

    def update(self, program: int) -> None:
        """Put another program in its place, between two packets."""
        self._library.call("bpf_link_update", self._fd, program, None)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def test_run(library: Libbpf, program: int, frame: bytes, ifindex: int) -> tuple[int, bytes]:
    """Give a tc program one frame that came in by an interface (BPF_PROG_TEST_RUN).

    Return its verdict and the frame as it left it.  Clones that it redirects are really sent.
    """
    context = c.create_string_buffer(192)  # struct __sk_buff: ifindex is its eleventh word
    c.c_uint32.from_buffer(context, 40).value = ifindex
    out = c.create_string_buffer(len(frame) + 256)
    given = c.create_string_buffer(frame, len(frame))
    options = TestRun(
        sz=c.sizeof(TestRun), data_in=c.addressof(given), data_size_in=len(frame),
        data_out=c.addressof(out), data_size_out=len(out), ctx_in=c.addressof(context),
        ctx_size_in=len(context), repeat=1,
    )  # fmt: skip
    try:
        library.call("bpf_prog_test_run_opts", program, c.byref(options))
    except OSError as error:
        raise _refused("a test run", error) from error
    return options.retval, out.raw[: options.data_size_out]


def live_frames(
    library: Libbpf, program: int, frame: bytes, ifindex: int, count: int, batch: int
) -> int:
    """Have an XDP program pass `count` frames on as if they came in by an interface.

    They are really received, `batch` at a time.  Return nanoseconds a frame, all that it caused in
    this thread's context included, setting up not.
    """
    head = Struct("=IIIIII").pack(0, len(frame), 0, ifindex, 0, 0)  # struct xdp_md
    context = c.create_string_buffer(head, len(head))
    given = c.create_string_buffer(frame, len(frame))
    options = TestRun(
        sz=c.sizeof(TestRun), data_in=c.addressof(given), data_size_in=len(frame),
        ctx_in=c.addressof(context), ctx_size_in=len(context), repeat=count,
        flags=LIVE_FRAMES, batch_size=batch,
    )  # fmt: skip
    try:
        library.call("bpf_prog_test_run_opts", program, c.byref(options))
    except OSError as error:
        raise _refused("live frames", error) from error
    return int(options.duration)


def settle() -> None:
    """Wait until every packet that is being looked at now has passed (membarrier: a grace period
    of RCU)."""
    process: Callable[..., int] = c.CDLL(None, use_errno=True).syscall
    number = {"x86_64": 324, "aarch64": 283, "riscv64": 283, "s390x": 356, "ppc64le": 365}
    if process(number.get(os.uname().machine, 283), 1, 0, 0) < 0:
        raise _refused("membarrier", OSError(c.get_errno(), os.strerror(c.get_errno())))


def _keep(level: int, form: bytes, arguments: int) -> int:
    """Keep what libbpf says, a line at a time; the kernel's verifier speaks through it too."""
    if level <= 1 and len(_said) < 64:
        buffer = c.create_string_buffer(4096)
        c.CDLL(None).vsnprintf(buffer, c.c_size_t(4096), form, c.c_void_p(arguments))
        _said.extend(buffer.value.decode(errors="replace").splitlines())
    return 0


def _lacking() -> list[str]:
    """Return the capabilities that this process would need and has not (Linux capabilities(7))."""
    status = Path("/proc/thread-self/status").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    held = int(found[1], 16) if found else -1
    return [n for n, bits in _CAPABILITIES.items() if not any(held >> bit & 1 for bit in bits)]


def _refused(what: str, error: OSError) -> EnvironmentProblem:
    # The verifier says EACCES too, of a program that it does not like.
    lacks = ", ".join(_lacking())
    if error.errno in (errno.EPERM, errno.EACCES) and lacks:
        return EnvironmentProblem(
            f"the kernel refuses {what}: the kernel plane needs root; this process lacks {lacks}"
        )
    if error.errno == errno.EPERM:
        return EnvironmentProblem(
            f"the kernel refuses {what}: {error.strerror}; a container's seccomp filter or user "
            "namespace, or kernel lockdown, forbids BPF here"
        )
    why = next((f": {line}" for line in reversed(_said) if line.strip()), "")
    return EnvironmentProblem(f"the kernel refuses {what}: {error.strerror}{why}")
