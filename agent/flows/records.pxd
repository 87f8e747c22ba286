# The rows of the tables as C structs: field for field the dtypes of records.py.

ctypedef unsigned char u8
ctypedef unsigned short u16
ctypedef unsigned int u32
ctypedef unsigned long long u64
ctypedef long long i64

ctypedef struct Flow:
    u64 src_hi
    u64 src_lo
    i64 last_ns
    i64 last_fwd_ns
    double gap_mean
    double gap_m2
    double gap_last
    i64 ip_bytes
    i64 payload_fwd
    i64 payload_bwd
    i64 passed_bytes
    i64 first_ns
    i64 decided_ns
    u32 packets_fwd
    u32 packets_bwd
    u32 passed_packets
    u32 rules_seen
    int src_host
    int dst_host
    u32 src_generation
    u32 dst_generation
    u32 next_seq_fwd
    u32 next_seq_bwd
    int pair
    u32 pair_generation
    u16 sport
    u16 dport
    u16 interface
    u8 proto
    u8 tcp_fwd
    u8 tcp_bwd
    u8 answered
    u8 established
    u8 verdict
    u8 src_verdict
    u8 worst
    u8 context_seen
    u8 exempt
    int window_fwd
    int window_bwd
    int sizes[6]
    i64 until_ns
    i64 since_ns
    u64 dst_hi
    u64 dst_lo
    u32 vlan
    u32 syns
    u32 retransmissions
    u32 throttled_packets
    u32 stopped_at
    u64 serial
    u64 src_mac
    i64 syn_ns
    i64 rtt_ns
    i64 delay_ns

ctypedef struct Host:
    i64 last_ns
    i64 short_start_ns
    i64 long_start_ns
    i64 bucket_ns
    u32 generation
    u32 rules
    u8 context
    u8 level
    u8 local
    u8 exempt
    double current[16]
    double previous[16]
    u64 first_hi[5]
    u64 first_lo[5]
    i64 first_ns

ctypedef struct Pair:
    i64 first_ns
    i64 last_ns
    double gap_mean
    double gap_m2
    double upload
    u32 count
    u32 generation

ctypedef struct Rule:
    i64 since_ns
    i64 until_ns
    u8 verdict

ctypedef struct Point:
    u64 src_hi
    u64 src_lo
    u64 dst_hi
    u64 dst_lo
    u32 vlan
    u16 sport
    u16 dport
    i64 ts_ns
    u64 serial
    u64 src_mac
    u64 peer_hi
    u64 peer_lo
    u64 host_hi
    u64 host_lo
    u64 source_hi
    u64 source_lo
    i64 passed_bytes
    int row
    u32 packets
    u32 passed_packets
    u16 interface
    u8 proto
    u8 in_force
    u8 exempt
