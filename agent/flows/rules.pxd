cimport cython
from agent.flows.index cimport Index
from agent.flows.records cimport Flow, Rule, i64, u8, u32, u64

@cython.final
cdef class RuleTable:
    cdef readonly Index index
    cdef readonly object table
    cdef readonly i64 evictions
    cdef public u32 version
    cdef Rule[::1] rows
    cdef Flow[::1] flows
    cdef u8 verdict, src_verdict
    cdef i64 since_ns, until_ns
    cdef u64 peer_hi, peer_lo, host_hi, host_lo, source_hi, source_lo

    cdef void name(self, int flow, u8 src_local, u8 dst_local) noexcept
    cdef void cover(self, int flow, i64 now) noexcept
    cdef void consider(self, u64 hi, u64 lo, int kind, u64 service, i64 now) noexcept
