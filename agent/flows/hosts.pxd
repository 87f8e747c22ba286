cimport cython
from agent.flows.index cimport Index
from agent.flows.records cimport Host, i64, u8, u64

@cython.final
cdef class DistinctSets:
    cdef readonly Index index
    cdef readonly i64 evictions
    cdef int[::1] heads, next, previous

    cdef bint add(self, u64 owner, u64 hi, u64 lo) noexcept
    cdef void remove(self, int row) noexcept
    cdef void clear(self, Py_ssize_t owner) noexcept

@cython.final
cdef class HostTable:
    cdef readonly Index index
    cdef readonly DistinctSets others
    cdef readonly object table
    cdef readonly i64 evictions
    cdef Host[::1] rows
    cdef u64[:, ::1] home
    cdef u64[:, ::1] allowed

    cdef bint within(self, u64[:, ::1] networks, u64 hi, u64 lo) noexcept
    cdef int acquire(self, u64 hi, u64 lo, i64 now) noexcept
    cdef void touch(self, int row, i64 now) noexcept
    cdef void roll(self, int row, i64 now) noexcept
    cdef void forget(self, int row, int first, int end) noexcept
    cdef void mark(self, int row, int counter, int which, u64 hi, u64 lo) noexcept
    cdef void opened(
        self, int src, int dst, u64 src_hi, u64 src_lo, u64 dst_hi, u64 dst_lo, int port, bint syn
    ) noexcept
    cdef void raise_level(self, int row) noexcept
    cdef double recent(self, int row, int counter, i64 now) noexcept
    cdef bint note(self, u64 hi, u64 lo, int counter, double weight, i64 now) noexcept
    cdef i64 throttle(self, int row, i64 now, i64 size) noexcept
