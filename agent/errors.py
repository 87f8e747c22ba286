"""Every error that the agent raises on purpose.

::

    SluiceError
    ├── CaptureError
    │   ├── NotACapture         the file is in no capture format that we know
    │   └── CaptureUnreadable   the file cannot be opened or mapped
    ├── LabelError              a label file has a row or header that cannot be used
    ├── AlertError              an IDS's log has a line that cannot be used
    ├── ConfigError             a setting that cannot be obeyed
    ├── ProfileError            a firmware profile that no box can keep, or that is not there
    ├── BundleError             a policy bundle that must not be loaded
    │   ├── SchemaMismatch      it was made for other observations
    │   ├── BundleTampered      a file or the signature does not verify
    │   └── BundleMisfit        it exceeds what this box was said to bear
    ├── StoreError              the box's folder of policies cannot be used, or lacks one
    ├── FlowNotFound            no flow of the capture has the key asked for
    └── OutputError             a page or a table cannot be written

A message says what is wrong and what to do about it, in one line.
"""


class SluiceError(Exception):
    """Base of all errors that a user can cause or mend; the CLI prints it and exits with 1."""


class CaptureError(SluiceError):
    """A capture file cannot be used at all (damage inside a capture is a warning instead)."""


class NotACapture(CaptureError):
    """The file begins like no capture format that we know."""


class CaptureUnreadable(CaptureError):
    """The operating system refuses the file: absent, a directory, not permitted."""


class LabelError(SluiceError):
    """A label file has a header or a row that cannot be used; names file and line."""


class AlertError(SluiceError):
    """A log of alerts cannot be read, or has a line that cannot be used; names file and line."""


class ConfigError(SluiceError):
    """A setting that cannot be obeyed; names the setting and what would be right."""


class ProfileError(SluiceError):
    """A firmware profile cannot be read or contradicts itself; names the field and what to do."""


class BundleError(SluiceError):
    """A policy bundle that must not be loaded."""


class SchemaMismatch(BundleError):
    """The bundle was made for another version of the observation."""


class BundleTampered(BundleError):
    """A file of the bundle, or its signature, does not verify."""


class BundleMisfit(BundleError):
    """The bundle exceeds the box's firmware profile, or a gate of its export; names all reasons."""


class StoreError(SluiceError):
    """The installed policies cannot be read or changed, or none is of the name."""


class FlowNotFound(SluiceError):
    """No flow of the capture has the key that was asked for."""


class OutputError(SluiceError):
    """A file that was asked for cannot be written."""
