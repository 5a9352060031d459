// SPDX-License-Identifier: GPL-2.0
/*
 * What mr_churn is asked for.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mr_churn.h"

#define MAX_PAGES	0x1000000ul

static const struct option long_options[] = {
	{ "device",	required_argument, NULL, 'd' },
	{ "port",	required_argument, NULL, 'p' },
	{ "gid-index",	required_argument, NULL, 'g' },
	{ "threads",	required_argument, NULL, 't' },
	{ "count",	required_argument, NULL, 'n' },
	{ "seconds",	required_argument, NULL, 'S' },
	{ "mrs",	required_argument, NULL, 'm' },
	{ "sizes",	required_argument, NULL, 's' },
	{ "in-turn",	no_argument,	   NULL, 'i' },
	{ "verify",	required_argument, NULL, 'v' },
	{ "hold",	required_argument, NULL, 'H' },
	{ "seed",	required_argument, NULL, 'r' },
	{ "json",	no_argument,	   NULL, 'j' },
	{ "help",	no_argument,	   NULL, 'h' },
	{}
};

static const char usage[] =
"Usage: mr_churn [OPTION]...\n"
"Registers and deregisters memory, verifies it by RDMA, and tells how fast.\n"
"\n"
"  -d, --device NAME      RDMA device (rxe0)\n"
"  -p, --port NUMBER      its port (1)\n"
"  -g, --gid-index INDEX  its GID (the first RoCE v2 IPv4 one, else 0)\n"
"  -t, --threads COUNT    threads (1)\n"
"  -n, --count COUNT      registrations of each thread (1000)\n"
"  -S, --seconds SECONDS  go on for so long, instead of --count\n"
"  -m, --mrs COUNT        memory regions that a thread has at once (1)\n"
"  -s, --sizes LIST       sizes to choose from, in pages (1,2,3,7,16,64,200);\n"
"                         FIRST-LAST in the list is a range\n"
"  -i, --in-turn          take one size after the other, not at random\n"
"  -v, --verify EVERY     verify each EVERY-th registration, 0: none (1)\n"
"  -H, --hold SECONDS     keep the regions of the last round for so long (0)\n"
"  -r, --seed NUMBER      start of the pseudo-random choices (1)\n"
"  -j, --json             print one JSON object, times in nanoseconds\n"
"  -h, --help             print this text\n"
"\n"
"The rate includes the time that verification takes: use -v 0 to measure.\n";

static void usage_error(const char *what, const char *value)
{
	fprintf(stderr, "mr_churn: %s: %s\n%s", what, value, usage);
	exit(EXIT_FAILURE);
}

static unsigned long number(const char *text, unsigned long min,
			    unsigned long max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-' ||
	    value < min || value > max)
		usage_error("not in range", text);
	return value;
}

static void parse_range(struct range *range, char *item)
{
	char *first = strsep(&item, "-");

	range->first = number(first, 1, MAX_PAGES);
	range->last = item ? number(item, range->first, MAX_PAGES) :
			     range->first;
}

static void parse_sizes(struct options *opt, char *list)
{
	char *item;

	opt->nr_ranges = 0;
	while ((item = strsep(&list, ","))) {
		if (opt->nr_ranges == MAX_RANGES)
			usage_error("too many sizes", item);
		parse_range(&opt->ranges[opt->nr_ranges++], item);
	}
}

static void parse_option(struct options *opt, int c)
{
	switch (c) {
	case 'd':
		opt->device = optarg;
		break;
	case 'p':
		opt->port = number(optarg, 1, 255);
		break;
	case 'g':
		opt->gid_index = number(optarg, 0, 65535);
		break;
	case 't':
		opt->threads = number(optarg, 1, 1024);
		break;
	case 'n':
		opt->count = number(optarg, 1, 1ul << 40);
		break;
	case 'S':
		opt->seconds = number(optarg, 1, 1 << 20);
		break;
	case 'm':
		opt->mrs = number(optarg, 1, 1 << 20);
		break;
	case 's':
		parse_sizes(opt, optarg);
		break;
	case 'i':
		opt->in_turn = true;
		break;
	case 'v':
		opt->verify_every = number(optarg, 0, 1ul << 40);
		break;
	case 'H':
		opt->hold = number(optarg, 0, 1 << 20);
		break;
	case 'r':
		opt->seed = number(optarg, 0, ~0ul);
		break;
	case 'j':
		opt->json = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	default:
		fputs(usage, stderr);
		exit(EXIT_FAILURE);
	}
}

void parse_options(struct options *opt, int argc, char **argv)
{
	int c;

	*opt = (struct options) {
		.device = "rxe0",
		.port = 1,
		.gid_index = RDMA_GID_AUTO,
		.threads = 1,
		.count = 1000,
		.mrs = 1,
		.verify_every = 1,
		.seed = 1,
		.ranges = {
			{ 1, 1 }, { 2, 2 }, { 3, 3 }, { 7, 7 }, { 16, 16 },
			{ 64, 64 }, { 200, 200 },
		},
		.nr_ranges = 7,
	};

	while ((c = getopt_long(argc, argv, "d:p:g:t:n:S:m:s:iv:H:r:jh",
				long_options, NULL)) != -1)
		parse_option(opt, c);
	if (optind < argc)
		usage_error("unexpected argument", argv[optind]);
}

unsigned long max_pages(const struct options *opt)
{
	unsigned long max = 0;
	unsigned int i;

	for (i = 0; i < opt->nr_ranges; i++)
		if (opt->ranges[i].last > max)
			max = opt->ranges[i].last;
	return max;
}

static unsigned long range_sizes(const struct range *range)
{
	return range->last - range->first + 1;
}

unsigned long number_of_sizes(const struct options *opt)
{
	unsigned long count = 0;
	unsigned int i;

	for (i = 0; i < opt->nr_ranges; i++)
		count += range_sizes(&opt->ranges[i]);
	return count;
}

unsigned long nth_size(const struct options *opt, unsigned long n)
{
	const struct range *range = opt->ranges;

	while (n >= range_sizes(range))
		n -= range_sizes(range++);
	return range->first + n;
}
