cimport cython
from agent.capture.frame cimport Frame, u64

@cython.final
cdef class Fragments:
    cdef u64[:, ::1] rows

    cdef void remember(self, Frame frame) noexcept
    cdef void recall(self, Frame frame) noexcept
    cdef Py_ssize_t slot(self, Frame frame) noexcept

cdef u64 mix(u64 word, u64 more) noexcept
