"""Compile the hot loops: ordinary annotated Python files that Cython turns into C.

Everything else about the package is in ``pyproject.toml``. A compiled module still runs uncompiled,
slowly, which is how the tests prove the two equal.
"""

from Cython.Build import cythonize
from setuptools import Extension, setup

MODULES = {
    "agent.capture": (
        *("records", "frame", "link", "shim", "tunnel", "transport", "fragments", "network"),
        "parser",
    ),
    "agent.flows": ("index", "hosts", "pairs", "rules", "counter", "observer", "table"),
}

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"{package}.{module}",
                [f"{package.replace('.', '/')}/{module}.py"],
                # Reproducible floats on every CPU: no fused multiply-add, no reassociation.
                extra_compile_args=["-O3", "-g0", "-ffp-contract=off"],
            )
            for package, modules in MODULES.items()
            for module in modules
        ],
        language_level=3,
        compiler_directives={
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
        },
    ),
    options={"build_ext": {"parallel": True}},
)
