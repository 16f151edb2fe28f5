/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel plane knows of a BFR: the maps of bier.bpf.c and the structs in them.
 *
 * toolkit/bier/kernel/records.py writes the same structs; tests hold the two together.
 */
#define WORDS 64    /* of 64 bits: 4096 bits, the longest BitString */
#define HOPS 4096   /* copies of one packet: one a bit; a power of 2 */
#define ETHERNET 14 /* octets */
#define FIXED 12    /* octets of BIER before the BitString */
#define PORTS 1024  /* interfaces that are counted one by one */
#define OAM 5       /* Proto */
#define MPLS 0x8847
#define BIER 0xAB37

/* The order is that of COUNTERS in toolkit/bier/kernel/records.py; a test compares them. */
enum counter {
	RECEIVED,
	FORWARDED,
	DELIVERED,
	TRUNCATED,
	UNKNOWN_BIFT_ID,
	WRONG_ENCAPSULATION,
	NOT_BOTTOM_OF_STACK,
	WRONG_NIBBLE,
	UNKNOWN_VERSION,
	BSL_MISMATCH,
	TTL_EXPIRED,
	EDGE_INTERFACE,
	EMPTY_BIT_STRING,
	UNKNOWN_BIT,
	NULL_NEIGHBOR,
	BIT_NOT_PERMITTED,
	UNKNOWN_PROTO,
	UNKNOWN_BFIR,
	OTHER_VLAN,
	OTHER_DESTINATION,
	NO_MAC_ADDRESS,
	MTU_EXCEEDED,
	NOT_SENT,
	HANDED_UP,
	COUNTERS,
};

/* Hides from the compiler what it knows of a number, so that the verifier sees its limits tested. */
#define OPAQUE(number) asm volatile("" : "+r"(number))

/* The number of words is read from the map anew each time: knowing it, the verifier would follow
 * every length through the rest of the program. */
#define EACH_WORD(i)                                                                               \
	for (__u32 i = 0, words_ = *(volatile __u32 *)&scratch->words; i < WORDS && i < words_; i++)

enum role { EDGE = 0, CORE = 1 };
enum kind { HOP = 0, LOCAL = 1, NULL_ROW = 2, HOP_WITHOUT_MAC = 3 };

struct interface {
	__u32 role;
	__u8 permits; /* a list in `permitted` */
	__u8 mac[6];  /* of our own */
	__u8 checks;  /* `mac` is known */
	__u32 port;   /* of `ports` */
};

struct config {
	__u64 protos; /* a bit for each that the overlay takes */
	__u32 salt;
	__u32 bifts; /* slots for each failure */
	__u32 deliver; /* interface index that user space reads from */
	__u32 every_bfir;
	__u32 oam; /* BIER OAM is user space's */
	__u32 unused;
};

struct bift { /* what a BIFT-id selects; `number` is its place in the slots of one failure */
	__u32 number;
	__u8 code; /* of the BitString length */
	__u8 sub_domain;
	__u16 slow; /* its packets are user space's */
};

struct slot {
	__u32 first; /* of `tables` */
	__u32 ways;
};

struct table {
	__u32 first; /* of `rows` */
	__u32 count;
};

struct row {
	__u32 kind;
	__u32 ifindex;
	__u32 label; /* first word without TC and TTL */
	__u32 mtu;
	__u8 dst[6];
	__u8 src[6];
	__u32 port; /* of `ports` */
	__u64 mask[WORDS];
};

struct front {
	__u8 dst[6];
	__u8 src[6];
	__be16 kind;
	__be32 word[3];
} __attribute__((packed));

struct scratch { /* in a map, since the verifier follows every value of what is on the stack */
	__u32 words; /* of the BitString */
	__u8 unused[2];
	struct front front; /* and, right behind it, the BitString of a copy */
	__u64 copy[WORDS];
	__u64 bits[WORDS];
	__u64 left[WORDS];
	__u32 first_row;
	__u32 hops; /* of `hop`: rows that copies leave by */
	__u32 kept; /* bits that may be addressed */
	__u32 local;
	__u32 lost;
	__u32 low;  /* of the first word: TC and TTL as copies have them */
	__u32 last; /* interface that the packet itself leaves by, after its clones */
	__u32 hop[HOPS];
};

struct port {
	__u64 received;
	__u64 sent;
};

struct counters {
	__u64 of[COUNTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} state SEC(".maps"); /* 0, or the number of the failure whose backups are in use */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct interface);
} interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32); /* BIFT-id; bit 31: not of MPLS */
	__type(value, struct bift);
} bift_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32); /* sub-domain << 16 | BFIR-id */
	__type(value, __u8);
} bfirs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);   /* interface index << 32 | number of the BIFT */
	__type(value, __u32); /* the row with the mask */
} permitted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");
