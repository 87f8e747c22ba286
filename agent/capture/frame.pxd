cimport cython

ctypedef unsigned char u8
ctypedef unsigned short u16
ctypedef unsigned int u32
ctypedef unsigned long long u64
ctypedef long long i64

@cython.final
cdef class Frame:
    cdef const u8[::1] data
    cdef Py_ssize_t at, end, wire
    cdef Py_ssize_t row
    cdef bint found
    cdef u64 mac
    cdef u32 tags
    cdef u64 key
    cdef bint tail
    cdef u64[::1] src_mac
    cdef u64[::1] src_hi
    cdef u64[::1] src_lo
    cdef u64[::1] dst_hi
    cdef u64[::1] dst_lo
    cdef u32[::1] vlan
    cdef u16[::1] sport
    cdef u16[::1] dport
    cdef u8[::1] proto
    cdef u8[::1] ttl
    cdef u32[::1] ip_bytes
    cdef u32[::1] payload
    cdef u8[::1] flags
    cdef u16[::1] window
    cdef u32[::1] seq
    cdef u16[::1] icmp

    cdef void clear(self) noexcept

    # Here, not in frame.py, so that C inlines them into the other modules.

    cdef inline u32 word16(self, Py_ssize_t at) noexcept:
        return self.data[at] << 8 | self.data[at + 1]

    cdef inline u32 word32(self, Py_ssize_t at) noexcept:
        return <u32>self.word16(at) << 16 | self.word16(at + 2)

    cdef inline u64 word48(self, Py_ssize_t at) noexcept:
        return <u64>self.word16(at) << 32 | self.word32(at + 2)

    cdef inline u64 word64(self, Py_ssize_t at) noexcept:
        return <u64>self.word32(at) << 32 | self.word32(at + 4)
