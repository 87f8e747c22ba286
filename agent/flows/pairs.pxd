cimport cython
from agent.flows.index cimport Index
from agent.flows.records cimport Pair, i64, u64

@cython.final
cdef class PairTable:
    cdef readonly Index index
    cdef readonly object table
    cdef readonly i64 evictions
    cdef Pair[::1] rows

    cdef int opened(self, u64 src_hi, u64 src_lo, u64 dst_hi, u64 dst_lo, int port, int proto, i64 now) noexcept
