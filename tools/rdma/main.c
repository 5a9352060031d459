// SPDX-License-Identifier: GPL-2.0
/*
 * rdma-frmr: the FRMR pool commands of the rdma tool, for systems whose
 * iproute2 is older than they are.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_frmr.h"

static const char usage[] =
"Usage: rdma-frmr [ OPTIONS ] resource COMMAND\n"
"\n"
"COMMANDS\n"
"  show frmr_pools [ dev DEV ] [ FILTER ... ]\n"
"        show the pools, or those that match each FILTER:\n"
"        vendor_key, num_dma_blocks, access_flags, ats, queue, in_use,\n"
"        max_in_use or pinned, and numbers or ranges as in 1,4-16,0x100\n"
"  show frmr_totals [ dev DEV ]\n"
"        show what all pools counted, those that are gone included\n"
"  watch frmr_pools [ interval SECONDS ] [ count N ] [ dev DEV ] [ FILTER ... ]\n"
"        show what the pools do, again and again\n"
"  set frmr_pools dev DEV aging SECONDS\n"
"        destroy handles that were idle for that long\n"
"  set frmr_pools dev DEV pinned KEY COUNT\n"
"        keep COUNT handles in the pool KEY, which is\n"
"        vendor_key:num_dma_blocks:access_flags:ats, each in hex\n"
"  set frmr_pools dev DEV reclaim\n"
"        destroy all idle handles now, except pinned ones\n"
"  help  show this text\n"
"\n"
"       rdma-frmr profile save FILE [ dev DEV ]\n"
"        write what was most in use, of each pool, to a text file\n"
"       rdma-frmr profile load FILE [ dev DEV ]\n"
"        pin what such a file says\n"
"\n"
"       rdma-frmr metrics [ dev DEV ]\n"
"        what is there and what was counted, for Prometheus\n"
"\n"
"OPTIONS\n"
"  -d, --details  counters, and the pools that only the kernel uses\n"
"  -j, --json     JSON\n"
"  -p, --pretty   with -j: line breaks\n"
"  -h, --help     show this text\n";

/* A verb, its object, and what else it needs. */
static int run_verb(const struct options *opt, int argc, char **argv)
{
	bool totals = !strcmp(argv[1], "frmr_totals");

	if (!totals && strcmp(argv[1], "frmr_pools"))
		return usage_error("expected: frmr_pools or frmr_totals",
				   argv[1]);
	if (!strcmp(argv[0], "show"))
		return totals ? cmd_show_totals(opt, argc - 2, argv + 2) :
				cmd_show(opt, argc - 2, argv + 2);
	if (!totals && !strcmp(argv[0], "watch"))
		return cmd_watch(opt, argc - 2, argv + 2);
	if (!totals && !strcmp(argv[0], "set"))
		return cmd_set(opt, argc - 2, argv + 2);
	return usage_error("unknown command", argv[0]);
}

static int run_object(const struct options *opt, int argc, char **argv)
{
	int status;

	if (nl_open())
		return EXIT_FAILURE;
	if (!strcmp(argv[0], "profile"))
		status = cmd_profile(argc - 1, argv + 1);
	else if (!strcmp(argv[0], "metrics"))
		status = cmd_metrics(argc - 1, argv + 1);
	else
		status = run_verb(opt, argc - 1, argv + 1);
	nl_close();
	return status;
}

/* What each object needs at least; NULL if there is no such object. */
static const char *object_usage(const char *object, int *words)
{
	*words = 2;
	if (!strcmp(object, "resource") || !strcmp(object, "res"))
		return "expected: resource show|watch|set frmr_pools";
	if (!strcmp(object, "profile"))
		return "expected: profile save|load FILE";
	*words = 0;
	return !strcmp(object, "metrics") ? "" : NULL;
}

static int run_command(const struct options *opt, int argc, char **argv)
{
	const char *what;
	int words;

	if (!argc || !strcmp(argv[0], "help")) {
		fputs(usage, argc ? stdout : stderr);
		return argc ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	what = object_usage(argv[0], &words);
	if (!what)
		return usage_error("unknown object", argv[0]);
	if (argc > 1 && !strcmp(argv[1], "help")) {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (argc <= words)
		return usage_error(what, NULL);
	return run_object(opt, argc, argv);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "details", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	struct options opt = {};
	int c;

	/* Our own words, for all mistakes alike. */
	opterr = 0;

	/* "+": what follows the first word belongs to the command. */
	while ((c = getopt_long(argc, argv, "+djph", longopts, NULL)) != -1) {
		switch (c) {
		case 'd':
			opt.details = true;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'p':
			opt.pretty = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return usage_error("unknown option", argv[optind - 1]);
		}
	}
	return run_command(&opt, argc - optind, argv + optind);
}
