// SPDX-License-Identifier: Apache-2.0
/* On the wire to every receiver, the same for every tool of bench/delivery.py: loses packets by
 * chance, counts, and notes when the first frame with data passed and how long the longest was. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DATA 1400 /* a longer frame carries data, whatever the tool: lists of files are shorter */

struct seen {
	__u64 chance; /* state of the random numbers, never 0 */
	__u64 lose; /* a packet is lost where 32 random bits are below this */
	__u64 passed;
	__u64 lost;
	__u64 octets; /* of what was passed or lost */
	__u64 data; /* frames longer than DATA, passed or lost */
	__u64 data_lost;
	__u64 first; /* CLOCK_MONOTONIC of the first of them, ns */
	__u64 last;
	__u64 longest;
	__u64 super; /* packets that no wire would carry: segmentation left to hardware */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

static __always_inline __u32 random(struct seen *s)
{
	__u64 x = s->chance;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	s->chance = x;
	return x >> 32;
}

SEC("tc")
int observe(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct seen *s = bpf_map_lookup_elem(&seen, &zero);
	int data, lost;

	if (!s || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	data = skb->len > DATA;
	lost = random(s) < s->lose;
	s->octets += skb->len;
	if (skb->len > s->longest)
		s->longest = skb->len;
	if (skb->gso_segs > 1)
		s->super++;
	if (data) {
		__u64 now = bpf_ktime_get_ns();

		if (!s->first)
			s->first = now;
		s->last = now;
		s->data++;
		s->data_lost += lost;
	}
	if (lost) {
		s->lost++;
		return TC_ACT_SHOT;
	}
	s->passed++;
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Apache-2.0";
