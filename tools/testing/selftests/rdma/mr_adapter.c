// SPDX-License-Identifier: GPL-2.0
/*
 * What the adapter sees of memory regions: on the virtual ConnectX, which
 * accesses memory through any key on demand and says why if it can't. The
 * device is RDMA_DEVICE or else mlx5_0.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <linux/udmabuf.h>
#include <infiniband/mlx5dv.h>
#include "../kselftest_harness.h"
#include "../../mlx5_vhca/vhca_access.h"
#include "rdma_util.h"

#define ACCESS_FILE	"/sys/kernel/debug/mlx5_vhca/access"
#define PAGE		((size_t)sysconf(_SC_PAGESIZE))
#define MEM_PAGES	4096
#define MEM_BYTES	(MEM_PAGES * PAGE)
/* Prime to MEM_PAGES. */
#define STRIDE_PAGES	1021
#define HUGE_BYTES	((size_t)2 << 20)
#define ROUNDS		200

#define ACCESS_ALL	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
			 IBV_ACCESS_REMOTE_READ)

/* Each test is a process, so that this is the state of one test. */
static struct rdma_device dev;
static struct ibv_pd *pd;
static char *mem;
static int adapter = -1;
static __u64 seed = 1;

FIXTURE(mr)
{
};

/* Neighbours should not be so in physical memory: it takes a long list then. */
static char *map_scattered(void)
{
	char *p = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (p == MAP_FAILED || madvise(p, MEM_BYTES, MADV_NOHUGEPAGE))
		return MAP_FAILED;
	for (i = 0; i < MEM_PAGES; i++)
		p[i * STRIDE_PAGES % MEM_PAGES * PAGE] = 1;
	return p;
}

FIXTURE_SETUP(mr)
{
	const char *name = getenv("RDMA_DEVICE") ?: "mlx5_0";

	adapter = open(ACCESS_FILE, O_RDWR);
	if (adapter < 0)
		SKIP(return, "no virtual ConnectX: %s", ACCESS_FILE);
	ASSERT_EQ(0, rdma_open(&dev, name, 1, RDMA_GID_AUTO));
	pd = ibv_alloc_pd(dev.context);
	ASSERT_NE(NULL, pd);
	mem = map_scattered();
	ASSERT_NE(MAP_FAILED, mem);
}

FIXTURE_TEARDOWN(mr)
{
	munmap(mem, MEM_BYTES);
	EXPECT_EQ(0, ibv_dealloc_pd(pd));
	rdma_close(&dev);
	close(adapter);
}

static __u32 pdn(struct ibv_pd *of)
{
	struct mlx5dv_pd out;
	struct mlx5dv_obj obj = { .pd = { .in = of, .out = &out } };

	return mlx5dv_init_obj(&obj, MLX5DV_OBJ_PD) ? 0 : out.pdn;
}

/* The adapter accesses memory: 0 or the negative errno that says why it can't. */
static int request(struct vhca_access_request r, void *data)
{
	static char buf[sizeof(r) + VHCA_ACCESS_MAX];
	size_t size = sizeof(r);

	memcpy(buf, &r, sizeof(r));
	if (r.flags & VHCA_ACCESS_WRITE) {
		memcpy(buf + size, data, r.length);
		size += r.length;
	}
	if (write(adapter, buf, size) < 0)
		return -errno;
	if (!(r.flags & VHCA_ACCESS_WRITE) &&
	    read(adapter, data, r.length) != r.length)
		return -EIO;
	return 0;
}

static int adapter_reads(__u32 key, const void *addr, void *data, size_t n)
{
	return request((struct vhca_access_request) {
		.key = key,
		.pd = pdn(pd),
		.addr = (uintptr_t)addr,
		.length = n,
		.flags = VHCA_ACCESS_REMOTE,
	}, data);
}

static int adapter_writes(__u32 key, const void *addr, void *data, size_t n)
{
	return request((struct vhca_access_request) {
		.key = key,
		.pd = pdn(pd),
		.addr = (uintptr_t)addr,
		.length = n,
		.flags = VHCA_ACCESS_REMOTE | VHCA_ACCESS_WRITE,
	}, data);
}

static void fill_random(void *data, size_t n)
{
	__u64 *words = data;
	size_t i;

	for (i = 0; i < n / sizeof(*words); i++)
		words[i] = next_random(&seed);
}

/* The adapter reads what is there, and what it writes gets there. */
static bool same_memory(__u32 key, char *addr, size_t n)
{
	static char data[VHCA_ACCESS_MAX];
	size_t done, part;

	fill_random(addr, n);
	for (done = 0; done < n; done += part) {
		part = n - done < sizeof(data) ? n - done : sizeof(data);
		if (adapter_reads(key, addr + done, data, part) ||
		    memcmp(addr + done, data, part))
			return false;
		fill_random(data, part);
		if (adapter_writes(key, addr + done, data, part) ||
		    memcmp(addr + done, data, part))
			return false;
	}
	return true;
}

/* A stale key must fail, and not by luck. */
static bool refused_as_stale(int err)
{
	return err == -ENOKEY || err == -EKEYREVOKED || err == -EKEYREJECTED;
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
		{ VHCA_ACCESS_WRITE, IBV_ACCESS_LOCAL_WRITE },
		{ VHCA_ACCESS_REMOTE, IBV_ACCESS_REMOTE_READ },
		{ VHCA_ACCESS_REMOTE | VHCA_ACCESS_WRITE,
		  IBV_ACCESS_REMOTE_WRITE },
	};
	unsigned int i;
	char data[8];

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool may = (access & cases[i].access) == cases[i].access;

		EXPECT_EQ(may ? 0 : -EACCES,
			  request((struct vhca_access_request) {
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
		IBV_ACCESS_RELAXED_ORDERING,
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
	struct vhca_access_request r = {
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
	TH_LOG("%u of %u objects were the one before", reused, ROUNDS);
}

TEST_F(mr, answers_at_its_iova)
{
	__u64 iova = 0x123456789000;
	struct ibv_mr *mr = ibv_reg_mr_iova(pd, mem, 4 * PAGE, iova, ACCESS_ALL);
	char data[16];

	ASSERT_NE(NULL, mr);
	fill_random(mem, 4 * PAGE);
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
	if (!mr && errno == EOPNOTSUPP)
		SKIP(return, "the device has no ODP, which dma-bufs need");
	ASSERT_NE(NULL, mr);
	EXPECT_TRUE(same_memory(mr->rkey, shared, n));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_HARNESS_MAIN
