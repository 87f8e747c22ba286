cimport cython
from agent.flows.records cimport u64

@cython.final
cdef class Index:
    cdef readonly int capacity
    cdef readonly int size
    cdef int top, free
    cdef u64 bucket_mask, seed, factor, mask
    cdef u64[:, ::1] keys
    cdef int[::1] heads, chain, newer, older

    cdef Py_ssize_t bucket(self, u64 a, u64 b, u64 c, u64 d, u64 e) noexcept
    cdef int find(self, u64 a, u64 b, u64 c, u64 d, u64 e) noexcept
    cdef int insert(self, u64 a, u64 b, u64 c, u64 d, u64 e) noexcept
    cdef void remove(self, int row) noexcept
    cdef void link(self, int row) noexcept
    cdef void unlink(self, int row) noexcept
    cdef void touch(self, int row) noexcept
    cdef int oldest(self) noexcept
