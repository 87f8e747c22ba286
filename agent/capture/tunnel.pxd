from agent.capture.frame cimport Frame
from agent.capture.link cimport ethernet, ethertype

cpdef int udp_tunnel(Frame frame) noexcept
cpdef int ip_tunnel(Frame frame, int protocol) noexcept
cdef int gre(Frame frame) noexcept
