// SPDX-License-Identifier: GPL-2.0
/*
 * What a user of memory regions relies on, whether the hardware object behind
 * a region is new or has served somebody else before. Each test moves data by
 * RDMA between two queue pairs of one device, RDMA_DEVICE or else rxe0.
 */
#include <pthread.h>
#include <stdatomic.h>
#include "../kselftest_harness.h"
#include "mr_verbs.h"

#define MEM_PAGES	1024
#define MEM_BYTES	(MEM_PAGES * PAGE)

#define REUSE_ROUNDS	100
#define STALE_KEYS	5
#define MANY_MRS	500
#define RACE_BYTES	(16 * PAGE)
#define RACE_NS		(2 * NSEC_PER_SEC)

/* What the tests register */
static char *mem;

FIXTURE(mr)
{
};

static const char *device_name(void)
{
	return getenv("RDMA_DEVICE") ?: "rxe0";
}

FIXTURE_SETUP(mr)
{
	if (rdma_open(&dev, device_name(), 1, RDMA_GID_AUTO))
		SKIP(return, "no RDMA device %s", device_name());

	pd = ibv_alloc_pd(dev.context);
	ASSERT_NE(NULL, pd);
	ASSERT_EQ(0, rdma_pair_open(&pair, &dev, pd, pd));
	mem = rdma_map(MEM_BYTES);
	ASSERT_NE(MAP_FAILED, mem);
	bounce = rdma_map(BOUNCE_BYTES);
	ASSERT_NE(MAP_FAILED, bounce);
	bounce_mr = ibv_reg_mr(pd, bounce, BOUNCE_BYTES, ACCESS_LOCAL);
	ASSERT_NE(NULL, bounce_mr);
}

FIXTURE_TEARDOWN(mr)
{
	EXPECT_EQ(0, ibv_dereg_mr(bounce_mr));
	munmap(bounce, BOUNCE_BYTES);
	munmap(mem, MEM_BYTES);
	rdma_pair_close(&pair);
	EXPECT_EQ(0, ibv_dealloc_pd(pd));
	rdma_close(&dev);
}

static struct ibv_mr *reg(size_t bytes, int access)
{
	return ibv_reg_mr(pd, mem, bytes, access);
}

TEST_F(mr, is_written_and_read_by_rdma)
{
	struct ibv_mr *mr = reg(BOUNCE_BYTES, ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(moves_data(&pair, mem,
			       (uintptr_t)mem, mr->rkey, BOUNCE_BYTES));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, need_not_be_page_aligned)
{
	const struct {
		size_t offset;
		size_t bytes;
	} ranges[] = {
		{ 1, 1 },
		{ PAGE - 1, 2 },
		{ 100, 3 * PAGE },
		{ PAGE + 4000, 5 * PAGE + 97 },
	};
	struct ibv_mr *mr;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		mr = ibv_reg_mr(pd, mem + ranges[i].offset,
				ranges[i].bytes, ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		EXPECT_TRUE(works(mr));
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	}
}

/* What the device refuses to page on demand is none of a test's business. */
static struct ibv_mr *reg_on_demand(size_t offset, size_t bytes)
{
	return ibv_reg_mr(pd, mem + offset, bytes,
			  ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
}

TEST_F(mr, paged_on_demand_gets_its_pages_when_they_are_used)
{
	struct ibv_mr *mr = reg_on_demand(0, BOUNCE_BYTES);

	if (!mr)
		SKIP(return, "no paging on demand");
	EXPECT_TRUE(moves_data(&pair, mem,
			       (uintptr_t)mem, mr->rkey, BOUNCE_BYTES));
	EXPECT_EQ(0, madvise(mem, BOUNCE_BYTES, MADV_DONTNEED));
	EXPECT_TRUE(moves_data(&pair, mem,
			       (uintptr_t)mem, mr->rkey, BOUNCE_BYTES));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, paged_on_demand_need_not_be_page_aligned)
{
	struct ibv_mr *mr = reg_on_demand(PAGE + 100, 5 * PAGE + 97);

	if (!mr)
		SKIP(return, "no paging on demand");
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, paged_on_demand_works_at_its_iova_or_is_refused)
{
	__u64 iova = 0x123456000ull;
	struct ibv_mr *mr = reg_on_demand(0, 4 * PAGE);

	if (!mr)
		SKIP(return, "no paging on demand");
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = ibv_reg_mr_iova(pd, mem, 4 * PAGE, iova,
			     ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	if (!mr) {
		EXPECT_EQ(EOPNOTSUPP, errno);
		return;
	}
	EXPECT_TRUE(moves_data(&pair, mem + PAGE,
			       iova + PAGE, mr->rkey, 2 * PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

#define RXE_VENDOR_ID	0xffffff

/* What the driver says of an lkey that is not paged on demand */
static int prefetch_error(void)
{
	struct ibv_device_attr attr = {};

	ibv_query_device(dev.context, &attr);
	return attr.vendor_id == RXE_VENDOR_ID ? EINVAL : ENOENT;
}

TEST_F(mr, not_paged_on_demand_refuses_to_be_prefetched)
{
	struct ibv_mr *mr = reg_on_demand(0, BOUNCE_BYTES);
	struct ibv_sge sge = bounce_sge(BOUNCE_BYTES);

	if (!mr)
		SKIP(return, "no paging on demand");
	EXPECT_EQ(prefetch_error(), prefetch(IBV_ADVISE_MR_FLAG_FLUSH, &sge));
	EXPECT_EQ(prefetch_error(), prefetch(0, &sge));
	sge.addr = (uintptr_t)mem;
	sge.lkey = mr->lkey;
	EXPECT_EQ(0, prefetch(IBV_ADVISE_MR_FLAG_FLUSH, &sge));
	EXPECT_EQ(0, prefetch(0, &sge));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

static bool all_bytes_are(const char *at, char value, size_t bytes)
{
	return at[0] == value && !memcmp(at, at + 1, bytes - 1);
}

TEST_F(mr, stale_rkey_cannot_read_the_next_owner)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);
	__u32 stale;

	ASSERT_NE(NULL, mr);
	stale = mr->rkey;
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = reg(PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);

	EXPECT_NE(stale, mr->rkey);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, stale, PAGE));
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, stale_rkey_cannot_write_the_next_owner)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);
	__u32 stale;

	ASSERT_NE(NULL, mr);
	stale = mr->rkey;
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = reg(PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);

	memset(mem, 'a', PAGE);
	memset(bounce, 'b', PAGE);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_to(mem, stale, PAGE));
	EXPECT_TRUE(all_bytes_are(mem, 'a', PAGE));
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, stale_rkey_is_dead_before_there_is_a_next_owner)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);
	__u32 stale;

	ASSERT_NE(NULL, mr);
	stale = mr->rkey;
	ASSERT_EQ(0, ibv_dereg_mr(mr));

	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, stale, PAGE));
}

TEST_F_TIMEOUT(mr, stale_rkeys_stay_dead_over_many_registrations, 120)
{
	__u32 keys[REUSE_ROUNDS];
	struct ibv_mr *mr;
	int i, k;

	for (i = 0; i < REUSE_ROUNDS; i++) {
		mr = reg(3 * PAGE, ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		keys[i] = mr->rkey;
		for (k = i - 1; k >= 0 && k >= i - STALE_KEYS; k--) {
			ASSERT_NE(keys[k], keys[i]);
			ASSERT_EQ(IBV_WC_REM_ACCESS_ERR,
				  read_from(mem, keys[k], PAGE));
		}
		ASSERT_TRUE(works(mr));
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
}

static struct ibv_mr *reg_second_page(void)
{
	return ibv_reg_mr(pd, mem + PAGE, PAGE, ACCESS_LOCAL);
}

TEST_F(mr, stale_lkey_fails_locally)
{
	struct ibv_mr *first = reg(PAGE, ACCESS_ALL);
	struct ibv_mr *mr = reg_second_page();
	struct ibv_sge sge = {
		.addr = (uintptr_t)mem + PAGE,
		.length = PAGE,
	};
	int round;

	ASSERT_NE(NULL, first);
	ASSERT_NE(NULL, mr);
	sge.lkey = mr->lkey;
	EXPECT_EQ(0, use_lkey(IBV_WR_RDMA_READ, &sge, mem, first->rkey));
	EXPECT_EQ(0, use_lkey(IBV_WR_RDMA_WRITE, &sge, mem, first->rkey));
	ASSERT_EQ(0, ibv_dereg_mr(mr));

	/* Without a next owner, then with one. */
	memset(mem, 'a', PAGE);
	memset(mem + PAGE, 'b', PAGE);
	for (round = 0; round < 2; round++) {
		EXPECT_EQ(IBV_WC_LOC_PROT_ERR,
			  use_lkey(IBV_WR_RDMA_READ, &sge, mem, first->rkey));
		/* rxe flushes a request that it cannot gather. */
		EXPECT_LT(0, use_lkey(IBV_WR_RDMA_WRITE, &sge, mem,
				      first->rkey));
		EXPECT_TRUE(all_bytes_are(mem, 'a', PAGE));
		EXPECT_TRUE(all_bytes_are(mem + PAGE, 'b', PAGE));
		if (!round)
			mr = reg_second_page();
		ASSERT_NE(NULL, mr);
	}
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, ibv_dereg_mr(first));
}

TEST_F(mr, rights_of_the_last_owner_are_gone)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(works(mr));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = reg(PAGE, ACCESS_LOCAL);
	ASSERT_NE(NULL, mr);

	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_to(mem, mr->rkey, PAGE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, mr->rkey, PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, without_remote_write_refuses_to_be_written)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = reg(PAGE, IBV_ACCESS_REMOTE_READ);
	ASSERT_NE(NULL, mr);

	EXPECT_EQ(0, read_from(mem, mr->rkey, PAGE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_to(mem, mr->rkey, PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, without_remote_read_refuses_to_be_read)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = reg(PAGE, ACCESS_LOCAL | IBV_ACCESS_REMOTE_WRITE);
	ASSERT_NE(NULL, mr);

	EXPECT_EQ(0, write_to(mem, mr->rkey, PAGE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, mr->rkey, PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, ends_where_it_ends_although_the_last_owner_had_more)
{
	struct ibv_mr *mr = reg(16 * PAGE, ACCESS_ALL);
	size_t bytes = 9 * PAGE - 100;	/* an end within a page */
	char *end = mem + bytes;

	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(works(mr));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = reg(bytes, ACCESS_ALL);
	ASSERT_NE(NULL, mr);

	EXPECT_EQ(0, read_from(end - 1, mr->rkey, 1));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(end, mr->rkey, 1));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(end - 1, mr->rkey, 2));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem - 1, mr->rkey, 2));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  write_to(mem + 15 * PAGE, mr->rkey, PAGE));
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, belongs_to_the_protection_domain_of_its_owner)
{
	struct ibv_pd *other_pd = ibv_alloc_pd(dev.context);
	struct rdma_pair other;
	struct ibv_mr *mr;

	ASSERT_NE(NULL, other_pd);
	ASSERT_EQ(0, rdma_pair_open(&other, &dev, pd, other_pd));
	mr = reg(PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  read_by(&other, (uintptr_t)mem, mr->rkey, PAGE));
	ASSERT_EQ(0, ibv_dereg_mr(mr));

	mr = ibv_reg_mr(other_pd, mem, PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(works_by(&other, mr));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, mr->rkey, PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));

	rdma_pair_close(&other);
	EXPECT_EQ(0, ibv_dealloc_pd(other_pd));
}

TEST_F(mr, answers_at_its_iova_only)
{
	__u64 iova = 0x123456000ull;
	struct ibv_mr *mr = reg(4 * PAGE, ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	mr = ibv_reg_mr_iova(pd, mem, 4 * PAGE, iova, ACCESS_ALL);
	ASSERT_NE(NULL, mr);

	EXPECT_TRUE(moves_data(&pair, mem, iova, mr->rkey, 4 * PAGE));
	EXPECT_TRUE(moves_data(&pair, mem + 3 * PAGE,
			       iova + 3 * PAGE, mr->rkey, PAGE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, mr->rkey, PAGE));
	ASSERT_EQ(0, ibv_dereg_mr(mr));

	mr = reg(4 * PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_by(&pair, iova, mr->rkey, PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, rereg_changes_the_rights)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, rereg(mr, IBV_REREG_MR_CHANGE_ACCESS, pd, mem,
			   ACCESS_LOCAL));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_to(mem, mr->rkey, PAGE));

	EXPECT_EQ(0, rereg(mr, IBV_REREG_MR_CHANGE_ACCESS, pd, mem,
			   ACCESS_ALL));
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, rereg_changes_the_protection_domain)
{
	struct ibv_pd *other_pd = ibv_alloc_pd(dev.context);
	struct rdma_pair other;
	struct ibv_mr *mr;

	ASSERT_NE(NULL, other_pd);
	ASSERT_EQ(0, rdma_pair_open(&other, &dev, pd, other_pd));
	mr = reg(PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);

	EXPECT_EQ(0, rereg(mr, IBV_REREG_MR_CHANGE_PD, other_pd, mem, 0));
	EXPECT_TRUE(works_by(&other, mr));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, mr->rkey, PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));

	rdma_pair_close(&other);
	EXPECT_EQ(0, ibv_dealloc_pd(other_pd));
}

TEST_F(mr, survives_a_rereg_that_the_driver_refuses)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(EOPNOTSUPP, rereg(mr, IBV_REREG_MR_CHANGE_TRANSLATION,
				    pd, mem + PAGE, 0));
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, of_unmapped_memory_is_refused)
{
	char *hole = mem + 8 * PAGE;
	struct ibv_mr *mr;
	int i;

	ASSERT_EQ(0, munmap(hole, PAGE));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(NULL, ibv_reg_mr(pd, hole, PAGE, ACCESS_ALL));
		EXPECT_TRUE(errno == EFAULT || errno == ENOMEM);
		EXPECT_EQ(NULL, reg(16 * PAGE, ACCESS_ALL));
		EXPECT_TRUE(errno == EFAULT || errno == ENOMEM);
	}

	mr = reg(8 * PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, of_read_only_memory_is_read_only)
{
	struct ibv_mr *mr;

	fill_random(mem, PAGE, &seed);
	ASSERT_EQ(0, mprotect(mem, PAGE, PROT_READ));
	EXPECT_EQ(NULL, reg(PAGE, ACCESS_ALL));
	EXPECT_EQ(EFAULT, errno);

	mr = reg(PAGE, IBV_ACCESS_REMOTE_READ);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, read_from(mem, mr->rkey, PAGE));
	EXPECT_EQ(0, memcmp(mem, bounce, PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, of_no_length_is_refused)
{
	struct ibv_mr *mr;

	EXPECT_EQ(NULL, reg(0, ACCESS_ALL));
	EXPECT_EQ(EINVAL, errno);

	mr = reg(PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

static bool window_works(struct ibv_mw *mw)
{
	return moves_data(&pair, mem, (uintptr_t)mem, mw->rkey, PAGE);
}

TEST_F(mr, cannot_go_while_a_type_1_window_is_bound)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL | IBV_ACCESS_MW_BIND);
	struct ibv_mw *mw = ibv_alloc_mw(pd, IBV_MW_TYPE_1);

	ASSERT_NE(NULL, mr);
	ASSERT_NE(NULL, mw);
	ASSERT_EQ(0, bind_type_1(mw, mr, PAGE));
	EXPECT_EQ(EINVAL, ibv_dereg_mr(mr));
	EXPECT_TRUE(works(mr));
	EXPECT_TRUE(window_works(mw));

	ASSERT_EQ(0, bind_type_1(mw, mr, 0));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

TEST_F(mr, cannot_go_while_a_type_2_window_is_bound)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL | IBV_ACCESS_MW_BIND);
	struct ibv_mw *mw = ibv_alloc_mw(pd, IBV_MW_TYPE_2);

	ASSERT_NE(NULL, mr);
	ASSERT_NE(NULL, mw);
	ASSERT_EQ(0, bind_type_2(mw, mr, PAGE));
	EXPECT_EQ(EINVAL, ibv_dereg_mr(mr));
	EXPECT_TRUE(works(mr));
	EXPECT_TRUE(window_works(mw));

	ASSERT_EQ(0, invalidate_type_2(mw));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

TEST_F(mr, can_go_after_its_window_was_deallocated)
{
	struct ibv_mr *mr = reg(PAGE, ACCESS_ALL | IBV_ACCESS_MW_BIND);
	struct ibv_mw *mw = ibv_alloc_mw(pd, IBV_MW_TYPE_1);
	__u32 stale;

	ASSERT_NE(NULL, mr);
	ASSERT_NE(NULL, mw);
	ASSERT_EQ(0, bind_type_1(mw, mr, PAGE));
	stale = mw->rkey;
	EXPECT_EQ(EINVAL, ibv_dereg_mr(mr));
	ASSERT_EQ(0, ibv_dealloc_mw(mw));

	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_from(mem, stale, PAGE));
	EXPECT_TRUE(works(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* A peer that goes on using an rkey that its owner takes back. */
struct intruder {
	atomic_uint rkey;
	atomic_bool stop;
	atomic_ulong served;
	unsigned long refused;
	int unexpected;
};

#define INTRUDER_BYTE	0xff

static int intrude(__u32 rkey, bool to_write)
{
	if (!to_write)
		return read_from(mem, rkey, RACE_BYTES);
	memset(bounce, INTRUDER_BYTE, RACE_BYTES);
	return write_to(mem, rkey, RACE_BYTES);
}

static void *intruder_main(void *arg)
{
	struct intruder *in = arg;
	bool to_write = false;
	int status;

	while (!atomic_load(&in->stop) && !in->unexpected) {
		status = intrude(atomic_load(&in->rkey), to_write);
		to_write = !to_write;
		if (!status)
			atomic_fetch_add(&in->served, 1);
		else if (status == IBV_WC_REM_ACCESS_ERR ||
			 status == IBV_WC_WR_FLUSH_ERR)
			in->refused++;
		else
			in->unexpected = status;
	}
	return NULL;
}

/* Now and then lets a transfer through, however slow the machine is. */
static void give_time(struct intruder *in, unsigned int round, __u64 end)
{
	unsigned long served = atomic_load(&in->served);

	usleep(next_random(&seed) % 3000);
	while (round % 8 == 0 && atomic_load(&in->served) == served &&
	       now_ns() < end)
		usleep(100);
}

TEST_F(mr, deregistration_ends_transfers_in_flight)
{
	__u64 end = now_ns() + RACE_NS;
	struct intruder in = {};
	unsigned int round = 0;
	pthread_t thread;
	struct ibv_mr *mr;

	ASSERT_EQ(0, pthread_create(&thread, NULL, intruder_main, &in));
	do {
		mr = reg(RACE_BYTES, ACCESS_ALL);
		if (!mr)
			break;
		atomic_store(&in.rkey, mr->rkey);
		give_time(&in, round, end);
		if (ibv_dereg_mr(mr))
			break;

		memset(mem, round % 100, RACE_BYTES);
		usleep(next_random(&seed) % 1000);
		if (!all_bytes_are(mem, round % 100, RACE_BYTES))
			break;
		round++;
	} while (now_ns() < end);
	atomic_store(&in.stop, true);
	pthread_join(thread, NULL);

	/* It stops early if a verb failed or if memory was written after. */
	EXPECT_GE(now_ns(), end);
	EXPECT_EQ(0, in.unexpected)
		TH_LOG("%s", rdma_strstatus(in.unexpected));
	EXPECT_GT(atomic_load(&in.served), 0);
	TH_LOG("%u rounds, %lu transfers served, %lu refused", round,
	       atomic_load(&in.served), in.refused);
}

static struct ibv_mr *reg_one_of_many(int i)
{
	size_t pages = i + 1;
	size_t first = i * 13 % (MEM_PAGES - pages);

	return ibv_reg_mr(pd, mem + first * PAGE, pages * PAGE, ACCESS_ALL);
}

static bool is_among(const struct ibv_mr *mr, struct ibv_mr **mrs, int count)
{
	while (count--)
		if (mrs[count]->rkey == mr->rkey)
			return true;
	return false;
}

TEST_F_TIMEOUT(mr, many_of_all_sizes_work_side_by_side, 180)
{
	struct ibv_mr *mrs[MANY_MRS];
	int round, i;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < MANY_MRS; i++) {
			mrs[i] = reg_one_of_many(i);
			ASSERT_NE(NULL, mrs[i]);
			ASSERT_FALSE(is_among(mrs[i], mrs, i));
		}
		for (i = 0; i < MANY_MRS; i++)
			ASSERT_TRUE(works(mrs[i]));
		for (i = 0; i < MANY_MRS; i++)
			ASSERT_EQ(0, ibv_dereg_mr(mrs[i]));
	}
}

TEST_HARNESS_MAIN
