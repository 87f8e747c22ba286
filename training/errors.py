"""Every error that the lab raises on purpose; all are ``SluiceError``, so the CLI exits with 1.

::

    SluiceError
    ├── ScenarioError       a network scenario that contradicts itself or cannot be read
    ├── TraceError          a recorded episode that cannot be replayed
    ├── PolicyError         an ONNX policy that does not keep the playground's contract
    ├── CyborgMissing       the official environment is not where it was said to be
    ├── RunError            a training run that cannot begin in the folder that was said
    ├── StudyError          a study that cannot be run, or metrics that cannot be read
    ├── DeviceMissing       torch has no such device here
    ├── CorpusError         a corpus or one of its captures cannot be used
    ├── JournalError        an export of the agent's journal cannot be learned from
    ├── TeacherError        a language model or its file cannot be used
    └── EnvContractError    a playground that breaks the ``VectorEnv`` contract

A message says what is wrong and what to do about it, in one line.
"""

from agent.errors import SluiceError


class ScenarioError(SluiceError):
    """A scenario names something that does not exist, or cannot be read; says where."""


class TraceError(SluiceError):
    """A trace file is unreadable or lacks what a replay needs."""


class PolicyError(SluiceError):
    """An ONNX policy cannot be loaded, or its inputs and outputs are not the contract's."""


class CyborgMissing(SluiceError):
    """No usable CybORG checkout at the path; the message says how to get one."""


class RunError(SluiceError):
    """A run's folder holds another run, or one that has ended."""


class StudyError(SluiceError):
    """A run of a study failed, no study has the name, or a run's metrics cannot be read."""


class DeviceMissing(SluiceError):
    """Torch does not have the device that was asked for."""


class CorpusError(SluiceError):
    """A corpus's manifest, or a capture or label file of it, cannot be used; says which."""


class JournalError(SluiceError):
    """An export of the agent's journal has a line that cannot be used, or nothing to learn from."""


class TeacherError(SluiceError):
    """A language model or its file cannot be used; says why."""


class EnvContractError(SluiceError):
    """A playground broke the ``VectorEnv`` contract; the message says which clause and how."""
