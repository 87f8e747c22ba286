cimport cython
from agent.capture.frame cimport i64, u8, u16, u32, u64

@cython.final
cdef class RecordWalker:
    cdef Py_ssize_t capacity
    cdef const u8[::1] data
    cdef bint big_endian
    cdef i64[::1] offset
    cdef i64[::1] ts
    cdef u32[::1] length
    cdef u32[::1] captured
    cdef u16[::1] interface
    cdef u64[::1] up
    cdef u64[::1] down
    cdef u8[::1] bits
    cdef i64[::1] origin
    cdef u32[::1] snaplen
    cdef Py_ssize_t first
    cdef i64 interfaces

    cdef int block(self, Py_ssize_t row, Py_ssize_t at, i64 left) noexcept
    cdef int packet(self, Py_ssize_t row, Py_ssize_t at, i64 total, i64 index) noexcept
    cdef int simple_packet(self, Py_ssize_t row, Py_ssize_t at, i64 total) noexcept
    cdef i64 time(self, Py_ssize_t index, u64 high, u64 low) noexcept
    cdef i64 shifted(self, u64 ns, i64 origin) noexcept
    cdef u32 word16(self, Py_ssize_t at) noexcept
    cdef u32 word32(self, Py_ssize_t at) noexcept
