cimport cython

from agent.flows.hosts cimport HostTable
from agent.flows.pairs cimport PairTable
from agent.flows.records cimport Flow, i64, u32

@cython.final
cdef class Counter:
    cdef Flow[::1] rows
    cdef HostTable hosts
    cdef PairTable pairs

    cdef void count(self, int row, i64 now, bint forward, u32 ip_bytes, int payload, int flags, int window, u32 seq, int icmp) noexcept
    cdef void count_tcp(self, int row, i64 now, bint forward, int payload, int flags, int window, u32 seq) noexcept
    cdef void answer(self, int row, i64 now, bint refused) noexcept
    cdef void answer_unreachable(self, int row, i64 now, bint forward) noexcept
