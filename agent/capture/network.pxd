from agent.capture.fragments cimport Fragments
from agent.capture.frame cimport Frame
from agent.capture.transport cimport transport

cpdef int ipv4(Frame frame, Fragments fragments) noexcept
cpdef int ipv6(Frame frame, Fragments fragments) noexcept
cdef void begin_row(Frame frame, Py_ssize_t total, int ttl) noexcept
cdef int upper(Frame frame, Fragments fragments, int protocol, bint v6) noexcept
cdef int extensions(Frame frame, int protocol, bint v6) noexcept
cdef void begin_fragment(Frame frame, unsigned long long identification, int protocol) noexcept
cdef int tail_fragment(Frame frame, Fragments fragments, int protocol) noexcept
