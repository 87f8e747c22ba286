from agent.capture.frame cimport Frame
from agent.capture.tunnel cimport ip_tunnel, udp_tunnel

cpdef int transport(Frame frame, int protocol) noexcept
cdef Py_ssize_t tcp(Frame frame) noexcept
cdef void ports(Frame frame) noexcept
