from agent.capture.frame cimport Frame

cpdef int link_header(Frame frame, int link_type) noexcept
cpdef int ethernet(Frame frame) noexcept
cpdef int type_or_length(Frame frame) noexcept
cpdef int ethertype(Frame frame, Py_ssize_t at) noexcept
cpdef int ppp(Frame frame) noexcept
cpdef int ip_by_version(Frame frame, int otherwise) noexcept
cdef int llc(Frame frame) noexcept
cdef int sll(Frame frame) noexcept
cdef int sll2(Frame frame) noexcept
cdef int sll_protocol(Frame frame, int protocol) noexcept
cdef int loopback(Frame frame) noexcept
cdef int cisco_hdlc(Frame frame) noexcept
