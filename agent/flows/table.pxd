cimport cython
from agent.flows.counter cimport Counter
from agent.flows.hosts cimport HostTable
from agent.flows.index cimport Index
from agent.flows.observer cimport Observer
from agent.flows.pairs cimport PairTable
from agent.flows.records cimport Flow, Point, i64, u8, u16, u32, u64
from agent.flows.rules cimport RuleTable

@cython.final
cdef class FlowTable:
    cdef readonly Index index
    cdef readonly HostTable hosts
    cdef readonly PairTable pairs
    cdef readonly RuleTable rules
    cdef readonly object table, points, ended, observations
    cdef readonly i64 now_ns, flows, evictions
    cdef readonly Py_ssize_t n_points, n_ended
    cdef public bint collects_ended
    cdef Counter counter
    cdef Observer observer
    cdef readonly object allowed_interfaces
    cdef i64 idle_ns, active_ns
    cdef u8[::1] interface_allowed
    cdef const u8[::1] port_allowed
    cdef const u64[::1] macs_allowed
    cdef Flow[::1] rows
    cdef Flow[::1] ended_rows
    cdef Point[::1] point_rows
    cdef const i64[::1] ts
    cdef const u8[::1] status
    cdef const u64[::1] src_mac
    cdef const u64[::1] src_hi
    cdef const u64[::1] src_lo
    cdef const u64[::1] dst_hi
    cdef const u64[::1] dst_lo
    cdef const u32[::1] vlan
    cdef const u16[::1] sport
    cdef const u16[::1] dport
    cdef const u8[::1] proto
    cdef const u8[::1] tcp
    cdef const u16[::1] interface
    cdef const u32[::1] ip_bytes
    cdef const u32[::1] payload
    cdef const u16[::1] window
    cdef const u32[::1] seq
    cdef const u16[::1] icmp

    cpdef i64 time_of(self, Py_ssize_t i) noexcept
    cdef int find_or_open(self, Py_ssize_t i, i64 now) noexcept
    cdef bint is_over(self, int row, Py_ssize_t i, i64 now) noexcept
    cdef void begin(self, int row, Py_ssize_t i, i64 now) noexcept
    cdef bint is_exempt(self, int row) noexcept
    cdef bint sent_by_exempt(self, Py_ssize_t i) noexcept
    cdef void end(self, int row) noexcept
    cdef void meet_hosts(self, int row, Py_ssize_t i, i64 now, bint forward) noexcept
    cdef void meet_pair(self, int row, Py_ssize_t i, i64 now) noexcept
    cdef void enforce(self, int row, Py_ssize_t i, i64 now) noexcept
    cdef bint is_decision_point(self, int row, i64 now) noexcept
