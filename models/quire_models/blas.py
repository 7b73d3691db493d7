"""Has NumPy's BLAS use all of the processor; imported before NumPy.

On AMD processors with AVX-512, some versions of OpenBLAS choose kernels of half the width. Its kernels
for Intel's Skylake-X run there too, and multiply large matrices up to twice as fast. Nothing is done
where NumPy is loaded already, or where `OPENBLAS_CORETYPE` is set: whoever sets it, knows.
"""

import os
import sys
from pathlib import Path

_NEEDED = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def core_type(processor: str) -> str | None:
    """The kernels to ask OpenBLAS for, or None to let it choose.

    Args:
        processor: what Linux tells in `/proc/cpuinfo`.
    """
    about = dict(line.split(":", 1) for line in processor.splitlines() if ":" in line)
    fields = {name.strip(): value.split() for name, value in about.items()}
    is_amd = fields.get("vendor_id") == ["AuthenticAMD"]
    return "SkylakeX" if is_amd and set(fields.get("flags", [])) >= _NEEDED else None


def _choose() -> None:
    if "numpy" in sys.modules or "OPENBLAS_CORETYPE" in os.environ:
        return
    try:
        found = core_type(Path("/proc/cpuinfo").read_text().partition("\n\n")[0])
    except OSError:
        return
    if found:
        os.environ["OPENBLAS_CORETYPE"] = found


_choose()
