// SPDX-License-Identifier: Apache-2.0
/*
 * The BIER forwarding engine in the kernel: tc ingress, one packet in, its copies out.
 *
 * RFC 8279 section 6.5 over disjoint F-BMs (6.4), 6.7.2 (a table chosen by entropy); RFC 8296
 * section 2 (header rules).  Law: every rule, its order and its counter are those of
 * toolkit/bier/engine.py; toolkit/bier/node.py says what is a frame for us.  What is not BIER, or
 * came in by an interface that we are not told of, passes untouched.
 *
 * A packet reads `state` once and one slot of `slots` once; each is written in one go, so that it
 * sees all old or all new tables.  BitStrings stay in the order of the wire: masks are too.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bier.bpf.h"

struct pass { /* one packet on its way */
	struct __sk_buff *skb;
	struct scratch *scratch;
	struct counters *counters;
};

static __always_inline int drop(struct counters *counters, enum counter reason)
{
	counters->of[reason]++;
	return TC_ACT_SHOT;
}

/* The finalizer of MurmurHash3, as toolkit/bier/ecmp.py. */
static __always_inline __u32 mix(__u32 x)
{
	x = (x ^ x >> 16) * 0x85EBCA6B;
	x = (x ^ x >> 13) * 0xC2B2AE35;
	return x ^ x >> 16;
}

/* Count the bits that a packet and a row share.  Global: the verifier looks at it once. */
__noinline int overlap(struct scratch *scratch, struct row *row)
{
	int count = 0;

	if (!scratch || !row)
		return 0;
	EACH_WORD(i)
		count += __builtin_popcountll(scratch->bits[i] & row->mask[i]);
	return count;
}

/* Count the bits that no row of a table has taken. */
__noinline int unclaimed(struct scratch *scratch)
{
	int count = 0;

	if (!scratch)
		return 0;
	EACH_WORD(i)
		count += __builtin_popcountll(scratch->left[i]);
	return count;
}

/* Clear the bits that are not in a row; return how many. */
__noinline int permit(struct scratch *scratch, struct row *row)
{
	__u64 kept = 0;
	int count = 0;

	if (!scratch || !row)
		return 0;
	EACH_WORD(i) {
		__u64 allowed = scratch->bits[i] & row->mask[i];

		count += __builtin_popcountll(scratch->bits[i] ^ allowed);
		kept |= allowed;
		scratch->bits[i] = allowed;
		scratch->left[i] = allowed;
	}
	scratch->kept = kept != 0;
	return count;
}

/* Sort one row's bits out of the packet; the callback of a loop over the rows of a table. */
static long scan(__u32 index, struct pass *pass)
{
	struct scratch *scratch = pass->scratch;
	__u32 key = scratch->first_row + index;
	struct row *row = bpf_map_lookup_elem(&rows, &key);
	__u64 any = 0;

	if (!row)
		return 1;
	EACH_WORD(i) {
		__u64 taken;

		taken = scratch->bits[i] & row->mask[i];
		scratch->left[i] ^= taken;
		any |= taken;
	}
	if (!any)
		return 0;
	if (row->kind == LOCAL) {
		scratch->local = 1;
	} else if (row->kind == NULL_ROW) {
			pass->counters->of[NULL_NEIGHBOR] += overlap(scratch, row);
		scratch->lost = 1;
	} else {
		scratch->hop[scratch->hops & (HOPS - 1)] = key;
		scratch->hops++;
	}
	return 0;
}

/* Send one copy; the callback of a loop over the rows that `scan` found. */
static long emit(__u32 index, struct pass *pass)
{
	struct scratch *scratch = pass->scratch;
	struct __sk_buff *skb = pass->skb;
	__u32 key = scratch->hop[index & (HOPS - 1)];
	__u64 words = *(volatile __u32 *)&scratch->words;
	struct row *row = bpf_map_lookup_elem(&rows, &key);
	struct port *port;

	if (!row)
		return 1;
	if (row->kind == HOP_WITHOUT_MAC) {
		pass->counters->of[NO_MAC_ADDRESS]++;
		return 0;
	}
	if (skb->len - ETHERNET > row->mtu) {
		pass->counters->of[MTU_EXCEEDED]++;
		return 0;
	}
	EACH_WORD(i) {
		scratch->copy[i] = scratch->bits[i] & row->mask[i];
	}
	__builtin_memcpy(scratch->front.dst, row->dst, 6);
	__builtin_memcpy(scratch->front.src, row->src, 6);
	scratch->front.word[0] = bpf_htonl(row->label | scratch->low);
	if (words < 1)
		return 1;
	OPAQUE(words);
	if (words > WORDS)
		return 1;
	if (bpf_skb_store_bytes(skb, 0, &scratch->front, ETHERNET + FIXED + words * 8, 0)) {
		pass->counters->of[NOT_SENT]++;
		return 0;
	}
	if (index + 1 == scratch->hops) {
		scratch->last = row->ifindex;
	} else if (bpf_clone_redirect(skb, row->ifindex, 0)) {
		pass->counters->of[NOT_SENT]++;
		return 0;
	}
	key = row->port;
	port = bpf_map_lookup_elem(&ports, &key);
	if (port)
		port->sent++;
	return 0;
}

/* Say why a header is refused, in the order of `check` in toolkit/bier/wire.py. */
static __always_inline int refuse(struct counters *counters, struct bift *own, __u32 id, int mpls,
				  __u32 first, __u32 second, __u32 length)
{
	struct bift *known = own;
	__u32 other = id ^ 1u << 31;

	if (!known)
		known = bpf_map_lookup_elem(&bift_ids, &other);
	if (!known)
		return drop(counters, UNKNOWN_BIFT_ID);
	if (mpls && !(first & 0x100))
		return drop(counters, NOT_BOTTOM_OF_STACK);
	if (mpls && second >> 28 != 5)
		return drop(counters, WRONG_NIBBLE);
	if (second >> 24 & 0xF)
		return drop(counters, UNKNOWN_VERSION);
	if ((second >> 20 & 0xF) != known->code)
		return drop(counters, BSL_MISMATCH);
	if (length < FIXED + (4u << (known->code & 7)))
		return drop(counters, TRUNCATED);
	return drop(counters, WRONG_ENCAPSULATION);
}

/* Hand the frame to user space, as it came: a clone if copies follow, else the frame itself. */
static __always_inline int deliver(struct pass *pass, struct config *config, struct bift *bift,
				   __u32 third)
{
	__u32 proto = third >> 16 & 0x3F, from = (__u32)bift->sub_domain << 16 | (third & 0xFFFF);
	__u8 to[6] = {0x02, 'B', 'F', bift->sub_domain, bift->code, 0};
	struct scratch *scratch = pass->scratch;

	if (!(config->protos >> proto & 1))
		return drop(pass->counters, UNKNOWN_PROTO);
	if (!config->every_bfir && !bpf_map_lookup_elem(&bfirs, &from))
		return drop(pass->counters, UNKNOWN_BFIR);
	pass->counters->of[DELIVERED]++;
	bpf_skb_store_bytes(pass->skb, 0, to, 6, 0);
	if (!scratch->hops)
		return bpf_redirect(config->deliver, 0);
	if (bpf_clone_redirect(pass->skb, config->deliver, 0))
		pass->counters->of[NOT_SENT]++;
	return TC_ACT_SHOT;
}

/* Leave a frame to user space altogether: its tables, or what it asks, are not for the kernel. */
static __always_inline int hand_up(struct pass *pass, struct config *config)
{
	struct {
		__u8 mark[4];
		__u32 ifindex;
	} head = {{0x02, 'B', 'S', 0}, pass->skb->ifindex};

	pass->counters->of[HANDED_UP]++;
	bpf_skb_store_bytes(pass->skb, 0, &head, sizeof(head), 0);
	return bpf_redirect(config->deliver, 0);
}

SEC("tc")
int bier_tc(struct __sk_buff *skb)
{
	__u32 zero = 0, id, first, second, third, ttl, key, length;
	int mpls = skb->protocol == bpf_htons(MPLS), verdict = TC_ACT_SHOT;
	struct pass pass = {.skb = skb};
	struct interface *interface;
	struct scratch *scratch;
	struct config *settings;
	struct table *table;
	struct port *port;
	struct slot *slot, now;
	struct bift *bift;
	__u64 *failed, both, octets, unknown = 0;

	if (!mpls && skb->protocol != bpf_htons(BIER))
		return TC_ACT_UNSPEC;
	key = skb->ifindex;
	interface = bpf_map_lookup_elem(&interfaces, &key);
	pass.counters = bpf_map_lookup_elem(&counters, &zero);
	pass.scratch = scratch = bpf_map_lookup_elem(&scratches, &zero);
	settings = bpf_map_lookup_elem(&config, &zero);
	failed = bpf_map_lookup_elem(&state, &zero);
	if (!interface || !pass.counters || !scratch || !settings || !failed)
		return TC_ACT_UNSPEC;
	port = bpf_map_lookup_elem(&ports, &interface->port);
	if (port)
		port->received++;
	if (skb->vlan_present) { /* only a priority tag is no other interface's */
		if (skb->vlan_tci & 0xFFF) {
			drop(pass.counters, OTHER_VLAN);
			return TC_ACT_UNSPEC;
		}
		if (bpf_skb_vlan_pop(skb))
			return TC_ACT_UNSPEC;
	}
	if (bpf_skb_load_bytes(skb, 0, &scratch->front, ETHERNET))
		return TC_ACT_UNSPEC;
	if (interface->checks && !(scratch->front.dst[0] & 1)) {
		int same = 1;

		for (int i = 0; i < 6; i++)
			same &= scratch->front.dst[i] == interface->mac[i];
		if (!same)
			return drop(pass.counters, OTHER_DESTINATION);
	}

	length = skb->len - ETHERNET;
	if (interface->role == EDGE || length < FIXED ||
	    bpf_skb_load_bytes(skb, ETHERNET, scratch->front.word, FIXED)) {
		pass.counters->of[RECEIVED]++;
		return drop(pass.counters, interface->role == EDGE ? EDGE_INTERFACE : TRUNCATED);
	}
	first = bpf_ntohl(scratch->front.word[0]);
	second = bpf_ntohl(scratch->front.word[1]);
	third = bpf_ntohl(scratch->front.word[2]);
	id = first >> 12 | (mpls ? 0 : 1u << 31);
	bift = bpf_map_lookup_elem(&bift_ids, &id);
	if (bift && (bift->slow || (settings->oam && (third >> 16 & 0x3F) == OAM)))
		return hand_up(&pass, settings); /* and counted there */
	pass.counters->of[RECEIVED]++;
	if (!bift)
		return refuse(pass.counters, bift, id, mpls, first, second, length);
	octets = 4ull << (bift->code & 7);
	if ((second >> 20 & (mpls ? 0xFFF : 0x0FF)) != ((mpls ? 0x500u : 0) | bift->code) ||
	    (mpls && !(first & 0x100)) || length < FIXED + octets)
		return refuse(pass.counters, bift, id, mpls, first, second, length);
	ttl = first & 0xFF;
	if (!ttl)
		return drop(pass.counters, TTL_EXPIRED);
	if (octets < 8)
		return drop(pass.counters, TRUNCATED);
	OPAQUE(octets);
	if (octets > WORDS * 8 ||
	    bpf_skb_load_bytes(skb, ETHERNET + FIXED, scratch->bits, octets))
		return drop(pass.counters, TRUNCATED);
	scratch->words = octets / 8;
	EACH_WORD(i) {
		scratch->left[i] = scratch->bits[i];
	}
	if (interface->permits) {
		__u64 place = (__u64)skb->ifindex << 32 | bift->number;
		__u32 *where = bpf_map_lookup_elem(&permitted, &place);
		struct row *allowed;
		int refused;

		key = where ? *where : 0; /* row 0 allows nothing */
		allowed = bpf_map_lookup_elem(&rows, &key);
		if (!allowed)
			return TC_ACT_SHOT;
		refused = permit(scratch, allowed);
		pass.counters->of[BIT_NOT_PERMITTED] += refused;
		if (refused && !scratch->kept)
			return TC_ACT_SHOT;
	}

	key = (__u32)*failed * settings->bifts + bift->number;
	slot = bpf_map_lookup_elem(&slots, &key);
	if (!slot)
		return TC_ACT_SHOT;
	both = *(volatile __u64 *)slot; /* one load, as an update is one store */
	__builtin_memcpy(&now, &both, sizeof(now));
	key = now.first;
	if (now.ways > 1)
		key += mix((second & 0xFFFFF) ^ settings->salt) % now.ways;
	table = bpf_map_lookup_elem(&tables, &key);
	if (!table)
		return TC_ACT_SHOT;
	scratch->first_row = table->first;
	scratch->hops = scratch->local = scratch->lost = scratch->last = 0;
	bpf_loop(table->count, scan, &pass, 0);

	EACH_WORD(i) {
		unknown |= scratch->left[i];
	}
	if (unknown)
		pass.counters->of[UNKNOWN_BIT] += unclaimed(scratch);
	else if (!scratch->hops && !scratch->local && !scratch->lost)
		return drop(pass.counters, EMPTY_BIT_STRING);
	if (scratch->hops && ttl == 1) {
		drop(pass.counters, TTL_EXPIRED);
		scratch->hops = 0;
	}
	if (scratch->local)
		verdict = deliver(&pass, settings, bift, third);
	if (!scratch->hops)
		return verdict;
	pass.counters->of[FORWARDED] += scratch->hops;
	scratch->low = (mpls ? first & 0xE00 : 0) | (ttl - 1);
	scratch->front.word[1] = bpf_htonl((mpls ? second : second & 0x0FFFFFFF));
	bpf_loop(scratch->hops, emit, &pass, 0);
	return scratch->last ? bpf_redirect(scratch->last, 0) : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Apache-2.0";
