cimport cython
from agent.flows.hosts cimport HostTable
from agent.flows.pairs cimport PairTable
from agent.flows.records cimport Flow, Point, i64, u8
from agent.flows.rules cimport RuleTable

@cython.final
cdef class Observer:
    cdef Flow[::1] flows
    cdef HostTable hosts
    cdef PairTable pairs
    cdef RuleTable rules
    cdef Point[::1] points
    cdef u8[::1] service_of_port
    cdef int[::1] plain, logs
    cdef double[::1] small_logs
    cdef double[::1] raw
    cdef float[:, ::1] out
    cdef double scale

    cdef double scaled_log(self, double x) noexcept
    cdef void write(self, int flow, i64 now, Py_ssize_t at) noexcept
    cdef void write_point(self, int flow, i64 now, Py_ssize_t at) noexcept
    cdef void write_observation(self, int flow, i64 now, Py_ssize_t at) noexcept
    cdef void read_flow(self, int flow, i64 now) noexcept
    cdef void read_tcp(self, int flow) noexcept
    cdef void read_hosts(self, int src, int dst, i64 now) noexcept
    cdef void read_pair(self, int flow, i64 now) noexcept
    cdef void read_response(self, int flow, int src, int dst, i64 now) noexcept
