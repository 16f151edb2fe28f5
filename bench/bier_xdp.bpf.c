// SPDX-License-Identifier: Apache-2.0
/*
 * The XDP form of BIER forwarding, as far as a measurement needs it (bench/bier_xdp.py): BSL 256,
 * MPLS, disjoint F-BMs, one neighbor an interface.
 *
 * The ingress program checks the header and has the kernel clone the frame to every entry of a
 * devmap; the program of each entry masks the BitString, drops the clone where nothing is left, and
 * writes BIFT-id, TTL and addresses.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define WORDS 4
#define HEAD 128

enum count { RECEIVED, REFUSED, FORWARDED, SUNK, COUNTS };

struct row { /* by interface index */
	__u32 label;
	__u8 dst[6];
	__u8 src[6];
	__u64 mask[WORDS];
};

struct front {
	__u8 dst[6];
	__u8 src[6];
	__be16 kind;
	__be32 word[3];
	__u64 bits[WORDS];
} __attribute__((packed));

struct head {
	__u64 words[HEAD / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 32);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} neighbors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} bift_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct head);
} heads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} wire SEC(".maps");

static __always_inline void count(__u32 what)
{
	__u64 *sum = bpf_map_lookup_elem(&counts, &what);

	if (sum)
		*sum += 1;
}

SEC("xdp")
int ingress(struct xdp_md *context)
{
	struct front *front = (void *)(long)context->data;
	__u32 first, second, id;

	if ((void *)(front + 1) > (void *)(long)context->data_end ||
	    front->kind != bpf_htons(0x8847))
		return XDP_PASS;
	count(RECEIVED);
	first = bpf_ntohl(front->word[0]);
	second = bpf_ntohl(front->word[1]);
	id = first >> 12;
	if (!bpf_map_lookup_elem(&bift_ids, &id) || second >> 20 != 0x503 || !(first & 0x100) ||
	    (first & 0xFF) < 2) {
		count(REFUSED);
		return XDP_DROP;
	}
	return bpf_redirect_map(&neighbors, 0, BPF_F_BROADCAST);
}

SEC("xdp/devmap")
int egress(struct xdp_md *context)
{
	struct front *front = (void *)(long)context->data;
	__u32 key = context->egress_ifindex, first;
	struct row *row = bpf_map_lookup_elem(&rows, &key);
	__u64 any = 0;

	if (!row || (void *)(front + 1) > (void *)(long)context->data_end)
		return XDP_DROP;
	for (int i = 0; i < WORDS; i++) {
		front->bits[i] &= row->mask[i];
		any |= front->bits[i];
	}
	if (!any)
		return XDP_DROP;
	first = bpf_ntohl(front->word[0]);
	front->word[0] = bpf_htonl(row->label | (first & 0xE00) | ((first & 0xFF) - 1));
	__builtin_memcpy(front->dst, row->dst, 6);
	__builtin_memcpy(front->src, row->src, 6);
	count(FORWARDED);
	return XDP_PASS;
}

/* Native XDP at the other end of a veth pair: without one, it takes no redirected frames. */
SEC("xdp")
int sink(struct xdp_md *context)
{
	(void)context;
	count(SUNK);
	return XDP_DROP;
}

SEC("xdp")
int to_host(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

SEC("xdp")
int source(struct xdp_md *context)
{
	__u64 *data = (void *)(long)context->data;
	__u32 zero = 0;
	struct head *head = bpf_map_lookup_elem(&heads, &zero);

	if (!head || (void *)data + HEAD > (void *)(long)context->data_end)
		return XDP_DROP;
	__builtin_memcpy(data, head, HEAD);
	return bpf_redirect_map(&wire, 0, 0);
}

char LICENSE[] SEC("license") = "Apache-2.0";
