"""Running the root's Python: ``chroot`` and an emulator that is named, so nothing is registered.

A mount namespace of its own holds /proc, /sys and the emulator, and goes with the process. The
emulator passes the host's /proc/cpuinfo through, which no ARM program understands (onnxruntime's
library for it reads a null pointer): the guest is shown what Linux would say of the emulated CPU.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aarch64.root import Root
from tests.aarch64.tools import Failed, last_line

QEMU = "qemu-aarch64-static"
# Part numbers of ARM's CPUs, in MIDR_EL1 (their technical reference manuals). The first two have no
# instructions of ARMv8.2: boards as the Raspberry Pi 3 and 4. The last is the Raspberry Pi 5's.
PARTS = {"cortex-a53": 0xD03, "cortex-a72": 0xD08, "cortex-a76": 0xD0B}
# Bits of AT_HWCAP in order (Linux, arch/arm64/include/uapi/asm/hwcap.h).
HWCAP = (
    *("fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp"),
    *("asimdhp", "cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4"),
    *("asimddp", "sha512", "sve", "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb"),
)
_AT_HWCAP = 16
_PROBE = (
    "import ctypes, json; ask = ctypes.CDLL(None).getauxval; ask.restype = ctypes.c_ulong;"
    f"print(json.dumps(ask({_AT_HWCAP})))"
)
_ENTER = """
root=$1 qemu=$2 cpuinfo=$3; shift 3
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind "$cpuinfo" "$root/proc/cpuinfo"
touch "$root/usr/bin/qemu" && mount --bind "$qemu" "$root/usr/bin/qemu"
exec chroot "$root" /usr/bin/qemu "$@"
"""


@dataclass(frozen=True, slots=True)
class Guest:
    """A CPU in a root.

    Attributes:
        cpu: its name, of `PARTS`.
        cpuinfo: the file that the guest sees as /proc/cpuinfo.
    """

    root: Root
    cpu: str
    qemu: Path
    cpuinfo: Path

    def python(self, arguments: list[str], log: Path) -> Any:
        """Run the root's Python; the JSON on the last line that it prints.

        Raises:
            Failed: it exits with an error, or says something else.
        """
        here = [str(self.root.path), str(self.qemu), str(self.cpuinfo)]
        enter = ["unshare", "--mount", "sh", "-ec", _ENTER, "sh", *here]
        return said(
            f"Python on {self.cpu}",
            [*enter, "-cpu", self.cpu, "/usr/bin/python3", *arguments],
            environment("/opt/sluicegate:/opt/dependencies"),
            log,
        )


def make_guest(root: Root, cpu: str, qemu: Path, folder: Path) -> Guest:
    """Ask the emulated CPU what it can, and write that down as Linux does.

    Raises:
        Failed: the root's Python does not run at all.
    """
    cpuinfo = folder / f"cpuinfo-{cpu}"
    guest = Guest(root, cpu, qemu, cpuinfo)
    cpuinfo.write_text("")
    bits = int(guest.python(["-c", _PROBE], folder / f"probe-{cpu}.log"))
    # As many as /sys has, which is the host's.
    cpuinfo.write_text(cpuinfo_text(cpu, features(bits), os.cpu_count() or 1))
    return guest


def features(bits: int) -> list[str]:
    """Names of the bits that are set and have one."""
    return [name for at, name in enumerate(HWCAP) if bits >> at & 1]


def cpuinfo_text(cpu: str, names: list[str], count: int) -> str:
    """``count`` processors, as /proc/cpuinfo on arm64 shows them."""
    return "".join(
        f"processor\t: {number}\nBogoMIPS\t: 100.00\nFeatures\t: {' '.join(names)}\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        f"CPU part\t: {PARTS[cpu]:#x}\nCPU revision\t: 0\n\n"
        for number in range(count)
    )


def environment(path: str) -> dict[str, str]:
    """The same for both sides: nothing of the caller's, and one thread of linear algebra."""
    return {
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": path,
    }


def said(what: str, command: list[str], env: dict[str, str], log: Path) -> Any:
    """Run a command; the JSON on the last line of its output, with its errors in ``log``.

    Raises:
        Failed: it exits with an error, or says something else.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise Failed(f"{what} failed (exit {done.returncode}): {last_line(log)!r}; see {log}")
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise Failed(f"{what} did not answer in JSON but {done.stdout[-200:]!r}") from None
