cimport cython
from agent.capture.fragments cimport Fragments
from agent.capture.frame cimport Frame, i64, u8, u16, u32
from agent.capture.link cimport link_header
from agent.capture.network cimport ipv4, ipv6
from agent.capture.shim cimport shim

@cython.final
cdef class FrameParser:
    cdef Frame frame
    cdef Fragments fragments
    cdef const u32[::1] length
    cdef const u32[::1] captured
    cdef const u16[::1] interface
    cdef u8[::1] status
    cdef i64[::1] counted

    cdef int walk(self, Frame frame, int link_type) noexcept
