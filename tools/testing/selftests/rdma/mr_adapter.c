// SPDX-License-Identifier: GPL-2.0
/*
 * What the adapter sees of memory regions: on the simulated ConnectX, which
 * accesses memory through any key on demand and says why if it can't. The
 * device is RDMA_DEVICE or else mlx5_0.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <linux/udmabuf.h>
#include "../kselftest_harness.h"
#include "mr_adapter.h"

#define MEM_PAGES	4096
#define MEM_BYTES	(MEM_PAGES * PAGE)
#define HUGE_BYTES	((size_t)2 << 20)
#define CHUNK_PAGES	64
#define ROUNDS		200

static struct rdma_device dev;
static char *mem;

FIXTURE(mr)
{
};

/* Of memory that comes and goes, while the region stays. */
FIXTURE(paging)
{
};

static void set_up(struct __test_metadata *_metadata)
{
	const char *name = getenv("RDMA_DEVICE") ?: "mlx5_0";

	adapter = open(ACCESS_FILE, O_RDWR);
	if (adapter < 0)
		SKIP(return, "no simulated ConnectX: %s", ACCESS_FILE);
	ASSERT_EQ(0, rdma_open(&dev, name, 1, RDMA_GID_AUTO));
	pd = ibv_alloc_pd(dev.context);
	ASSERT_NE(NULL, pd);
	mem = rdma_map_scattered(MEM_PAGES);
	ASSERT_NE(MAP_FAILED, mem);
}

static void tear_down(struct __test_metadata *_metadata)
{
	munmap(mem, MEM_BYTES);
	EXPECT_EQ(0, ibv_dealloc_pd(pd));
	rdma_close(&dev);
	close(adapter);
}

FIXTURE_SETUP(mr)
{
	set_up(_metadata);
}

FIXTURE_TEARDOWN(mr)
{
	tear_down(_metadata);
}

FIXTURE_SETUP(paging)
{
	set_up(_metadata);
}

FIXTURE_TEARDOWN(paging)
{
	tear_down(_metadata);
}

TEST_F(mr, translates_to_the_memory_of_every_size_class)
{
	size_t pages;

	for (pages = 1; pages <= MEM_PAGES; pages *= 2) {
		struct ibv_mr *mr = ibv_reg_mr(pd, mem, pages * PAGE, ACCESS_ALL);

		ASSERT_NE(NULL, mr);
		EXPECT_TRUE(same_memory(mr->rkey, mem, pages * PAGE)) {
			TH_LOG("%zu pages", pages);
		}
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
}

TEST_F(mr, begins_and_ends_at_the_byte)
{
	size_t offset = 100, n = 3 * PAGE + 24;
	struct ibv_mr *mr = ibv_reg_mr(pd, mem + offset, n, ACCESS_ALL);
	char byte;

	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(same_memory(mr->rkey, mem + offset, n));
	EXPECT_EQ(-ERANGE, adapter_reads(mr->rkey, mem + offset - 1, &byte, 1));
	EXPECT_EQ(-ERANGE, adapter_reads(mr->rkey, mem + offset + n, &byte, 1));
	EXPECT_EQ(-ERANGE, adapter_writes(mr->rkey, mem + offset - 1, &byte, 1));
	EXPECT_EQ(-ERANGE, adapter_writes(mr->rkey, mem + offset + n, &byte, 1));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

static void expect_rights(struct __test_metadata *_metadata, struct ibv_mr *mr,
			  int access)
{
	static const struct {
		__u32 flags;
		int access;
	} cases[] = {
		{ 0, 0 },
		{ SIM_ACCESS_WRITE, IBV_ACCESS_LOCAL_WRITE },
		{ SIM_ACCESS_REMOTE, IBV_ACCESS_REMOTE_READ },
		{ SIM_ACCESS_REMOTE | SIM_ACCESS_WRITE,
		  IBV_ACCESS_REMOTE_WRITE },
	};
	unsigned int i;
	char data[8];

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool may = (access & cases[i].access) == cases[i].access;

		EXPECT_EQ(may ? 0 : -EACCES,
			  request((struct sim_access_request) {
				.key = mr->rkey,
				.pd = pdn(pd),
				.addr = (uintptr_t)mem,
				.length = sizeof(data),
				.flags = cases[i].flags,
			  }, data)) {
			TH_LOG("access 0x%x, request 0x%x", access,
			       cases[i].flags);
		}
	}
}

TEST_F(mr, grants_the_rights_that_were_asked_for)
{
	static const int flags[] = {
		IBV_ACCESS_LOCAL_WRITE, IBV_ACCESS_REMOTE_WRITE,
		IBV_ACCESS_REMOTE_READ, IBV_ACCESS_REMOTE_ATOMIC,
		IBV_ACCESS_RELAXED_ORDERING, IBV_ACCESS_MW_BIND,
	};
	unsigned int set, i;

	for (set = 0; set < 1u << ARRAY_SIZE(flags); set++) {
		struct ibv_mr *mr;
		int access = 0;

		for (i = 0; i < ARRAY_SIZE(flags); i++)
			if (set & 1u << i)
				access |= flags[i];
		mr = ibv_reg_mr(pd, mem, PAGE, access);
		if (access & (IBV_ACCESS_REMOTE_WRITE |
			      IBV_ACCESS_REMOTE_ATOMIC) &&
		    !(access & IBV_ACCESS_LOCAL_WRITE)) {
			EXPECT_EQ(NULL, mr);
			continue;
		}
		ASSERT_NE(NULL, mr);
		expect_rights(_metadata, mr, access);
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	}
}

TEST_F(mr, belongs_to_its_protection_domain)
{
	struct ibv_pd *other = ibv_alloc_pd(dev.context);
	struct ibv_mr *mr = ibv_reg_mr(pd, mem, PAGE, ACCESS_ALL);
	struct sim_access_request r = {
		.pd = pdn(other),
		.addr = (uintptr_t)mem,
		.length = 1,
	};
	char byte;

	ASSERT_NE(NULL, other);
	ASSERT_NE(NULL, mr);
	r.key = mr->lkey;
	EXPECT_EQ(-EPERM, request(r, &byte));
	r.pd = pdn(pd);
	EXPECT_EQ(0, request(r, &byte));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, ibv_dealloc_pd(other));
}

TEST_F(mr, is_dead_as_soon_as_it_was_deregistered)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, mem, PAGE, ACCESS_ALL);
	__u32 rkey = mr->rkey;
	char byte = 0;

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_TRUE(refused_as_stale(adapter_reads(rkey, mem, &byte, 1)));
	EXPECT_TRUE(refused_as_stale(adapter_writes(rkey, mem, &byte, 1)));
}

TEST_F(mr, stays_dead_when_its_object_serves_the_next_one)
{
	unsigned int i, reused = 0;
	__u32 stale = 0;
	char byte;

	for (i = 0; i < ROUNDS; i++) {
		struct ibv_mr *mr = ibv_reg_mr(pd, mem, PAGE, ACCESS_ALL);

		ASSERT_NE(NULL, mr);
		reused += i && mr->rkey >> 8 == stale >> 8;
		if (i)
			ASSERT_TRUE(refused_as_stale(adapter_reads(stale, mem,
								   &byte, 1)));
		stale = mr->rkey;
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
	EXPECT_LT(0, reused);
}

TEST_F(mr, answers_at_its_iova)
{
	__u64 iova = 0x123456789000;
	struct ibv_mr *mr = ibv_reg_mr_iova(pd, mem, 4 * PAGE, iova, ACCESS_ALL);
	char data[16];

	ASSERT_NE(NULL, mr);
	fill_random(mem, 4 * PAGE, &seed);
	EXPECT_EQ(0, adapter_reads(mr->rkey, (void *)(iova + 3 * PAGE), data,
				   sizeof(data)));
	EXPECT_EQ(0, memcmp(mem + 3 * PAGE, data, sizeof(data)));
	EXPECT_EQ(-ERANGE, adapter_reads(mr->rkey, mem, data, sizeof(data)));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mr, follows_a_rereg_of_rights_domain_and_memory)
{
	struct ibv_pd *other = ibv_alloc_pd(dev.context);
	struct ibv_mr *mr = ibv_reg_mr(pd, mem, 2 * PAGE, ACCESS_ALL);
	struct ibv_pd *first = pd;
	char byte = 0;

	ASSERT_NE(NULL, other);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
				  IBV_ACCESS_LOCAL_WRITE |
				  IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(0, adapter_reads(mr->rkey, mem, &byte, 1));
	EXPECT_EQ(-EACCES, adapter_writes(mr->rkey, mem, &byte, 1));

	ASSERT_EQ(0, ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD, other, NULL, 0,
				  0));
	EXPECT_EQ(-EPERM, adapter_reads(mr->rkey, mem, &byte, 1));
	pd = other;
	EXPECT_EQ(0, adapter_reads(mr->rkey, mem, &byte, 1));

	ASSERT_EQ(0, ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_TRANSLATION |
				  IBV_REREG_MR_CHANGE_ACCESS, NULL,
				  mem + 64 * PAGE, 8 * PAGE, ACCESS_ALL));
	EXPECT_TRUE(same_memory(mr->rkey, mem + 64 * PAGE, 8 * PAGE));
	EXPECT_NE(0, adapter_reads(mr->rkey, mem, &byte, 1));
	pd = first;
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, ibv_dealloc_pd(other));
}

TEST_F(mr, follows_a_rereg_of_everything_at_once)
{
	static const size_t pages[] = { 1, 16, 2, 1024, 3 };
	struct ibv_pd *pds[] = { pd, ibv_alloc_pd(dev.context) };
	struct ibv_mr *mr = ibv_reg_mr(pd, mem, 2 * PAGE, ACCESS_ALL);
	unsigned int i;
	char byte = 0;

	ASSERT_NE(NULL, pds[1]);
	ASSERT_NE(NULL, mr);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		char *at = mem + (i + 1) * 8 * PAGE + 24;
		int access = i % 2 ? ACCESS_ALL : IBV_ACCESS_REMOTE_READ;

		pd = pds[(i + 1) % 2];
		ASSERT_EQ(0, ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_TRANSLATION |
					  IBV_REREG_MR_CHANGE_PD |
					  IBV_REREG_MR_CHANGE_ACCESS, pd, at,
					  pages[i] * PAGE, access));
		EXPECT_TRUE(reads_memory(mr->rkey, at, pages[i] * PAGE));
		EXPECT_EQ(i % 2 ? 0 : -EACCES,
			  adapter_writes(mr->rkey, at, &byte, 1));
		EXPECT_NE(0, adapter_reads(mr->rkey, at - 1, &byte, 1));
		pd = pds[i % 2];
		EXPECT_EQ(-EPERM, adapter_reads(mr->rkey, at, &byte, 1));
	}
	pd = pds[0];
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, ibv_dealloc_pd(pds[1]));
}

/* One UMR has room for a list of 1 MiB less 64 bytes, of 8 bytes a page. */
TEST_F_TIMEOUT(mr, translates_more_than_a_work_request_holds, 600)
{
	size_t border = ((1 << 20) - 64) / 8, i;
	size_t n = (border / CHUNK_PAGES + 3) * CHUNK_PAGES * PAGE;
	static const int around[] = { -2, -1, 0, 1 };
	char *p;
	struct ibv_mr *mr;

	p = rdma_map_repeated(n, CHUNK_PAGES);
	ASSERT_NE(MAP_FAILED, p);
	mr = ibv_reg_mr(pd, p, n, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	for (i = 0; i < ARRAY_SIZE(around); i++)
		EXPECT_TRUE(same_memory(mr->rkey,
					p + (border + around[i]) * PAGE, PAGE));
	EXPECT_TRUE(same_memory(mr->rkey, p, CHUNK_PAGES * PAGE));
	EXPECT_TRUE(same_memory(mr->rkey, p + n - CHUNK_PAGES * PAGE,
				CHUNK_PAGES * PAGE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(p, n);
}

/* Huge where the kernel finds it fit, from within one to within another. */
TEST_F(mr, translates_transparent_huge_pages)
{
	size_t n = 4 * HUGE_BYTES;
	char *p = mmap(NULL, n + HUGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *huge = (char *)(((uintptr_t)p | (HUGE_BYTES - 1)) + 1);
	struct ibv_mr *mr;

	ASSERT_NE(MAP_FAILED, p);
	if (madvise(huge, n, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages");
	memset(huge, 1, n);
	if (huge_kbytes() < 2 * HUGE_BYTES / 1024)
		SKIP(return, "memory is too scattered for huge pages");
	mr = ibv_reg_mr(pd, huge + 5 * PAGE + 8, n - 9 * PAGE, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(same_memory(mr->rkey, mr->addr, mr->length));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(p, n + HUGE_BYTES);
}

TEST_F(mr, translates_huge_pages)
{
	char *huge = mmap(NULL, 4 * HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	struct ibv_mr *mr;

	if (huge == MAP_FAILED)
		SKIP(return, "no huge pages");
	mr = ibv_reg_mr(pd, huge, 4 * HUGE_BYTES, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(same_memory(mr->rkey, huge, 4 * HUGE_BYTES));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(huge, 4 * HUGE_BYTES);
}

TEST_F(mr, translates_a_dma_buf)
{
	size_t n = 64 * PAGE;
	struct udmabuf_create create = { .size = n };
	int udmabuf = open("/dev/udmabuf", O_RDWR), fd;
	struct ibv_mr *mr;
	char *shared;

	if (udmabuf < 0)
		SKIP(return, "no /dev/udmabuf");
	create.memfd = memfd_create("mr_adapter", MFD_ALLOW_SEALING);
	ASSERT_LE(0, (int)create.memfd);
	ASSERT_EQ(0, ftruncate(create.memfd, n));
	ASSERT_EQ(0, fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	shared = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED,
		      create.memfd, 0);
	ASSERT_NE(MAP_FAILED, shared);
	fd = ioctl(udmabuf, UDMABUF_CREATE, &create);
	ASSERT_LE(0, fd);
	mr = ibv_reg_dmabuf_mr(pd, 0, n, (uintptr_t)shared, fd, ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(same_memory(mr->rkey, shared, n));

	/* The region keeps the memory, by whatever name it was known. */
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, close(create.memfd));
	EXPECT_TRUE(same_memory(mr->rkey, shared, n));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, close(udmabuf));
}

TEST_F(paging, follows_a_dma_buf_that_moves)
{
	unsigned long before = device_counter("page_faults");
	struct moving m;
	struct ibv_mr *mr;
	int err;

	err = moving_open(&m, 64);
	if (err == -ENOENT)
		SKIP(return, "no " MOVER_FILE);
	ASSERT_EQ(0, err);
	mr = moving_register(&m);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(same_memory(mr->rkey, m.p, m.n));
	EXPECT_EQ(before, device_counter("page_faults"));
	ASSERT_EQ(0, moving_move(&m)) {
		TH_LOG("is CONFIG_DMABUF_MOVE_NOTIFY set?");
	}
	EXPECT_TRUE(same_memory(mr->rkey, m.p, m.n));
	EXPECT_LT(before, device_counter("page_faults"));

	/* Nobody has used it in between, or ever will. */
	ASSERT_EQ(0, moving_move(&m));
	ASSERT_EQ(0, moving_move(&m));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	ASSERT_EQ(0, moving_move(&m));
	moving_close(&m);
}

/* Moves meet registrations, accesses and deregistrations at any point. */
TEST_F_TIMEOUT(paging, follows_a_dma_buf_that_moves_all_the_time, 600)
{
	unsigned long before = device_counter("page_faults");
	struct moving m;
	int err, i;

	err = moving_open(&m, 16);
	if (err == -ENOENT)
		SKIP(return, "no " MOVER_FILE);
	ASSERT_EQ(0, err);
	ASSERT_TRUE(start_moving(&m));
	for (i = 0; i < ROUNDS; i++) {
		struct ibv_mr *mr = moving_register(&m);
		__u32 rkey;
		char byte;

		ASSERT_NE(NULL, mr);
		rkey = mr->rkey;
		EXPECT_TRUE(same_memory(rkey, m.p, m.n));
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		EXPECT_TRUE(refused_as_stale(adapter_reads(rkey, m.p, &byte,
							   1)));
	}
	EXPECT_TRUE(stop_moving(&m));
	EXPECT_LT(before, device_counter("page_faults"));
	moving_close(&m);
}

TEST_F(paging, finds_memory_that_nobody_has_touched)
{
	unsigned long before = device_counter("page_faults");
	size_t n = 512 * PAGE;
	char *p = rdma_map(n);
	struct ibv_mr *mr;

	ASSERT_NE(MAP_FAILED, p);
	mr = ibv_reg_mr(pd, p + 8, n - 16, ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(reads_zeros(mr->rkey, p + 77 * PAGE, PAGE));
	EXPECT_TRUE(writes_memory(mr->rkey, p + 100 * PAGE + 9, 20 * PAGE));
	EXPECT_TRUE(same_memory(mr->rkey, p + 8, n - 16));
	EXPECT_LT(before, device_counter("page_faults"));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(p, n);
}

TEST_F(paging, follows_memory_that_moves)
{
	size_t n = 64 * PAGE;
	char *p = rdma_map(n);
	struct ibv_mr *mr;
	char byte = 0;

	ASSERT_NE(MAP_FAILED, p);
	mr = ibv_reg_mr(pd, p, n, ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(same_memory(mr->rkey, p, n));
	ASSERT_EQ(0, madvise(p, n, MADV_DONTNEED));
	EXPECT_TRUE(reads_zeros(mr->rkey, p + 5 * PAGE, PAGE));
	EXPECT_TRUE(same_memory(mr->rkey, p, n));

	/* Others are there, then none. */
	ASSERT_EQ(p, mmap(p, n, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(p, 7, n);
	EXPECT_EQ(0, adapter_reads(mr->rkey, p + PAGE, &byte, 1));
	EXPECT_EQ(7, byte);
	EXPECT_TRUE(same_memory(mr->rkey, p, n));
	ASSERT_EQ(0, munmap(p, n));
	EXPECT_EQ(-EFAULT, adapter_reads(mr->rkey, p + PAGE, &byte, 1));
	EXPECT_EQ(-EFAULT, adapter_writes(mr->rkey, p, &byte, 1));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(paging, needs_no_fault_after_a_prefetch)
{
	size_t n = 64 * PAGE;
	char *p = rdma_map(n);
	struct ibv_mr *mr;
	struct ibv_sge sge;
	unsigned long before;

	ASSERT_NE(MAP_FAILED, p);
	mr = ibv_reg_mr(pd, p, n, ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	sge = (struct ibv_sge) { (uintptr_t)p, n, mr->lkey };
	ASSERT_EQ(0, ibv_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				   IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	before = device_counter("page_faults");
	EXPECT_TRUE(same_memory(mr->rkey, p, n));
	EXPECT_EQ(before, device_counter("page_faults"));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(p, n);
}

TEST_F(paging, covers_a_whole_address_space)
{
	size_t n = 16 * PAGE, gap = (size_t)1 << 30;
	struct ibv_mr *mr = ibv_reg_mr(pd, NULL, SIZE_MAX,
				       ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	char *p = rdma_map(2 * gap), byte = 0;

	ASSERT_NE(NULL, mr);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(writes_memory(mr->rkey, p + 9, n));
	EXPECT_TRUE(same_memory(mr->rkey, mem, n));
	/* From one of the regions that the driver makes of it to the next. */
	EXPECT_TRUE(same_memory(mr->rkey,
				(char *)(((uintptr_t)p | (gap - 1)) + 1) - n / 2,
				n));
	ASSERT_EQ(0, munmap(p, 2 * gap));
	EXPECT_EQ(-EFAULT, adapter_writes(mr->rkey, p + 9, &byte, 1));
	EXPECT_TRUE(same_memory(mr->rkey, mem, n));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(paging, follows_a_rereg)
{
	size_t n = 64 * PAGE;
	char *p = rdma_map(2 * n), byte = 0;
	struct ibv_mr *mr;

	ASSERT_NE(MAP_FAILED, p);
	mr = ibv_reg_mr(pd, p, n, ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
				  IBV_ACCESS_REMOTE_READ |
				  IBV_ACCESS_ON_DEMAND));
	EXPECT_TRUE(reads_zeros(mr->rkey, p, PAGE));
	EXPECT_EQ(-EACCES, adapter_writes(mr->rkey, p, &byte, 1));
	ASSERT_EQ(0, ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_TRANSLATION |
				  IBV_REREG_MR_CHANGE_ACCESS, NULL, p + n, n,
				  ACCESS_ALL | IBV_ACCESS_ON_DEMAND));
	EXPECT_TRUE(same_memory(mr->rkey, p + n, n));
	EXPECT_NE(0, adapter_reads(mr->rkey, p, &byte, 1));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(p, 2 * n);
}

static void receive(struct __test_metadata *_metadata, struct rdma_pair *pair,
		    struct ibv_sge *sge)
{
	struct ibv_recv_wr *bad, wr = { .sg_list = sge, .num_sge = 1 };

	ASSERT_EQ(0, ibv_post_recv(pair->peer, &wr, &bad));
}

/* Queue pairs wait for pages on both sides, in order, and go on. */
TEST_F(paging, serves_both_ends_of_queue_pairs)
{
	size_t n = 16 * PAGE;
	char *here = rdma_map(n), *there = rdma_map(n);
	int access = ACCESS_ALL | IBV_ACCESS_ON_DEMAND;
	struct ibv_mr *from, *to;
	struct ibv_sge sge, sink;
	struct ibv_send_wr send = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND,
	};
	struct rdma_pair pair;

	ASSERT_EQ(0, rdma_pair_open(&pair, &dev, pd, pd));
	from = ibv_reg_mr(pd, here, n, access);
	to = ibv_reg_mr(pd, there, n, access);
	ASSERT_NE(NULL, from);
	ASSERT_NE(NULL, to);
	sge = (struct ibv_sge) { (uintptr_t)here, n, from->lkey };
	sink = (struct ibv_sge) { (uintptr_t)there, n, to->lkey };

	fill_random(here, n, &seed);
	EXPECT_EQ(0, rdma_write(&pair, &sge, (uintptr_t)there, to->rkey));
	EXPECT_EQ(0, memcmp(here, there, n));

	ASSERT_EQ(0, madvise(here, n, MADV_DONTNEED));
	EXPECT_EQ(0, rdma_read(&pair, &sge, (uintptr_t)there, to->rkey));
	EXPECT_EQ(0, memcmp(here, there, n));

	ASSERT_EQ(0, madvise(there, n, MADV_DONTNEED));
	fill_random(here, n, &seed);
	receive(_metadata, &pair, &sink);
	EXPECT_EQ(0, rdma_execute(&pair, &send));
	EXPECT_EQ(0, memcmp(here, there, n));

	/* No page ever comes: an error, and no wait without end. */
	ASSERT_EQ(0, munmap(there, n));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  rdma_write(&pair, &sge, (uintptr_t)there, to->rkey));
	EXPECT_EQ(0, ibv_dereg_mr(from));
	EXPECT_EQ(0, ibv_dereg_mr(to));
	rdma_pair_close(&pair);
	munmap(here, n);
}

/* Carried out once, whichever page was not there. */
TEST_F(paging, serves_atomics)
{
	char *word = rdma_map(PAGE), *result = rdma_map(PAGE);
	int access = ACCESS_ALL | IBV_ACCESS_REMOTE_ATOMIC |
		     IBV_ACCESS_ON_DEMAND;
	struct ibv_sge sge = { (uintptr_t)result, sizeof(__u64) };
	struct ibv_send_wr wr = {
		.sg_list = &sge, .num_sge = 1,
		.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	struct ibv_mr *from, *to;
	struct rdma_pair pair;
	__u64 i;

	ASSERT_EQ(0, rdma_pair_open(&pair, &dev, pd, pd));
	to = ibv_reg_mr(pd, word, PAGE, access);
	from = ibv_reg_mr(pd, result, PAGE, access);
	ASSERT_NE(NULL, to);
	ASSERT_NE(NULL, from);
	sge.lkey = from->lkey;
	wr.wr.atomic.remote_addr = (uintptr_t)word;
	wr.wr.atomic.rkey = to->rkey;
	wr.wr.atomic.compare_add = 3;
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, rdma_execute(&pair, &wr));
		EXPECT_EQ(3 * i, *(__u64 *)result);
		EXPECT_EQ(3 * i + 3, *(__u64 *)word);
		ASSERT_EQ(0, madvise(result, PAGE, MADV_DONTNEED));
	}
	EXPECT_EQ(0, ibv_dereg_mr(from));
	EXPECT_EQ(0, ibv_dereg_mr(to));
	rdma_pair_close(&pair);
	munmap(word, PAGE);
	munmap(result, PAGE);
}

/* The driver warns of this. */
TEST_F(mr, is_dead_even_if_it_could_not_be_revoked)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, mem, PAGE, ACCESS_ALL);
	unsigned long mkeys = device_counter("mkeys");
	__u32 rkey = mr->rkey;
	char byte = 0;

	ASSERT_NE(NULL, mr);
	ASSERT_TRUE(fail_next_umr());
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	ASSERT_EQ(0, device_counter("fail_umrs"));
	EXPECT_EQ(-ENOKEY, adapter_reads(rkey, mem, &byte, 1));
	EXPECT_EQ(mkeys - 1, device_counter("mkeys"));
}

/* Some bytes anywhere: mostly few pages, now and then many. */
static char *pick_memory(size_t *n)
{
	static const unsigned int max_pages[] = { 1, 2, 2, 4, 4, 8, 8, 64 };
	size_t max = max_pages[next_random(&seed) % ARRAY_SIZE(max_pages)] * PAGE;
	size_t at = next_random(&seed) % (MEM_BYTES - max);

	*n = next_random(&seed) % max + 1;
	return mem + at;
}

static int pick_access(void)
{
	static const int access[] = {
		IBV_ACCESS_REMOTE_READ,
		IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ,
		IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
		ACCESS_ALL,
		ACCESS_ALL | IBV_ACCESS_REMOTE_ATOMIC,
		ACCESS_ALL | IBV_ACCESS_RELAXED_ORDERING,
	};

	return access[next_random(&seed) % ARRAY_SIZE(access)];
}

/* The adapter accesses all of it, but only if it may. */
static bool is_as_registered(struct ibv_mr *mr, int access)
{
	char byte = 0;

	if (access & IBV_ACCESS_REMOTE_READ ?
	    !reads_memory(mr->rkey, mr->addr, mr->length) :
	    adapter_reads(mr->rkey, mr->addr, &byte, 1) != -EACCES)
		return false;
	return access & IBV_ACCESS_REMOTE_WRITE ?
	       writes_memory(mr->rkey, mr->addr, mr->length) :
	       adapter_writes(mr->rkey, mr->addr, &byte, 1) == -EACCES;
}

static unsigned long number_from(const char *variable, unsigned long fallback)
{
	const char *value = getenv(variable);

	return value ? strtoul(value, NULL, 0) : fallback;
}

/*
 * REGISTRATIONS of them; processes with another SEED make other ones. With
 * SAME_KEYS a stale key may be that of the next owner.
 */
TEST_F_TIMEOUT(mr, is_right_each_of_many_times, 1000000)
{
	unsigned long count = number_from("REGISTRATIONS", ROUNDS), i;
	unsigned long same_keys = number_from("SAME_KEYS", 0);

	seed = number_from("SEED", 1);
	for (i = 0; i < count; i++) {
		int access = pick_access();
		struct ibv_mr *mr;
		__u32 rkey;
		size_t n;
		char *p = pick_memory(&n), byte = 0;

		mr = ibv_reg_mr(pd, p, n, access);
		ASSERT_NE(NULL, mr);
		ASSERT_TRUE(is_as_registered(mr, access)) {
			TH_LOG("registration %lu: %zu bytes at %p, access 0x%x",
			       i, n, p, access);
		}
		rkey = mr->rkey;
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		ASSERT_TRUE(same_keys ||
			    refused_as_stale(adapter_reads(rkey, p, &byte, 1)));
	}
	TH_LOG("%lu registrations are right", i);
}

TEST_HARNESS_MAIN
