"""Compile the hot loops: ordinary annotated Python files that Cython turns into C.

Everything else about the package is in ``pyproject.toml``. A compiled module still runs uncompiled,
slowly, which is how the tests prove the two equal.
"""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = [
    *(Path("agent/capture") / name for name in ("records_kernel.py", "decode_kernel.py")),
    *(
        Path("agent/flows") / name
        for name in (
            "index.py",
            "hosts.py",
            "pairs.py",
            "rules.py",
            "counter.py",
            "observer.py",
            "table.py",
        )
    ),
]

setup(
    ext_modules=cythonize(
        [
            Extension(
                ".".join(path.with_suffix("").parts),
                [str(path)],
                # Reproducible floats on every CPU: no fused multiply-add, no reassociation.
                extra_compile_args=["-O3", "-ffp-contract=off"],
            )
            for path in KERNELS
        ],
        language_level=3,
        compiler_directives={
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
        },
    )
)
