"""Every error that the export raises on purpose; all are ``SluiceError``, so the CLI exits with 1.

::

    SluiceError
    ├── GateFailed          a policy exceeds what its profile allows, or is not good enough
    └── MeasureFailed       what a policy costs could not be measured

A message says what is wrong and what to do about it, in one line.
"""

from agent.errors import SluiceError


class GateFailed(SluiceError):
    """Gates of an export did not pass; names all of them, and by how much."""


class MeasureFailed(SluiceError):
    """The process that measures a policy ended without a result; says why."""
