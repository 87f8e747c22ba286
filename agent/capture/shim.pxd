from agent.capture.frame cimport Frame
from agent.capture.link cimport ethernet, ip_by_version, ppp, type_or_length

cpdef int shim(Frame frame, int kind) noexcept
cdef int vlan(Frame frame) noexcept
cdef int mpls(Frame frame) noexcept
cdef int pppoe(Frame frame) noexcept
