// SPDX-License-Identifier: Apache-2.0
/* A source and a sink of frames for bench/bier_forwarding.py, the same for every router measured. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define HEAD 128

struct head {
	__u64 words[HEAD / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct head);
} heads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counted SEC(".maps");

/* The kernel uses the pages of live frames again: whatever a router wrote into them is undone. */
SEC("xdp")
int source(struct xdp_md *context)
{
	__u64 *data = (void *)(long)context->data;
	__u32 zero = 0;
	struct head *head = bpf_map_lookup_elem(&heads, &zero);

	if (!head || (void *)data + HEAD > (void *)(long)context->data_end)
		return XDP_DROP;
	__builtin_memcpy(data, head, HEAD);
	return XDP_PASS;
}

static __always_inline void count(void)
{
	__u32 zero = 0;
	__u64 *sum = bpf_map_lookup_elem(&counted, &zero);

	if (sum)
		*sum += 1;
}

SEC("tc")
int sink(struct __sk_buff *skb)
{
	(void)skb;
	count();
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Apache-2.0";
