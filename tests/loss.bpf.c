// SPDX-License-Identifier: Apache-2.0
/* At an interface of a test's host: of the long packets that come in, every `every`-th is lost. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define LONG 400 /* a packet longer than this carries data */

struct counts {
	__u64 every; /* 0: none is lost */
	__u64 seen;
	__u64 lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

SEC("tc")
int lose(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct counts *c = bpf_map_lookup_elem(&counts, &zero);

	if (!c || skb->len <= LONG)
		return TC_ACT_UNSPEC;
	if (__sync_fetch_and_add(&c->seen, 1) % (c->every ? c->every : ~0ULL) != c->every - 1)
		return TC_ACT_UNSPEC;
	__sync_fetch_and_add(&c->lost, 1);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Apache-2.0";
