// SPDX-License-Identifier: GPL-2.0
/*
 * rdma-frmr: the FRMR pool commands of the rdma tool, for systems whose
 * iproute2 is older than they are.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

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

/* @word, if not NULL, is where the user went wrong. */
int usage_error(const char *what, const char *word)
{
	if (word)
		fprintf(stderr, "\"%s\": ", word);
	fprintf(stderr, "%s\nTry \"rdma-frmr help\".\n", what);
	return EXIT_FAILURE;
}

/* All of @word is a number from 0 to @max. */
bool parse_number(const char *word, int base, __u64 max, __u64 *value)
{
	char *end;

	if (!*word || strchr(word, '-'))
		return false;
	errno = 0;
	*value = strtoull(word, &end, base);
	return !errno && !*end && *value <= max;
}

void format_key(char *text, size_t size, const struct frmr_key *key)
{
	int len;

	len = snprintf(text, size, "%llx:%llx:%x:%x", key->vendor_key,
		       key->num_dma_blocks, key->access_flags, key->ats);
	if (key->kernel_vendor_key)
		snprintf(text + len, size - len, "[%llx]",
			 key->kernel_vendor_key);
}

/* vendor_key:num_dma_blocks:access_flags:ats */
bool parse_key(const char *word, struct frmr_key *key)
{
	__u64 values[4];
	char *copy = strdup(word), *rest = copy, *part;
	int n = 0;

	while (copy && (part = strsep(&rest, ":"))) {
		if (n == 4 || !parse_number(part, 16, UINT64_MAX, &values[n])) {
			n = -1;
			break;
		}
		n++;
	}
	free(copy);
	if (n != 4 || values[2] > UINT32_MAX || values[3] > 1)
		return false;
	*key = (struct frmr_key) {
		.vendor_key = values[0],
		.num_dma_blocks = values[1],
		.access_flags = values[2],
		.ats = values[3],
	};
	return true;
}

/* Prints it and puts it. */
void print_json(const struct options *opt, struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, opt->pretty ?
					    JSON_C_TO_STRING_PRETTY :
					    JSON_C_TO_STRING_PLAIN));
	json_object_put(json);
}

__u64 counter(const struct frmr_counters *counters, const char *name)
{
	unsigned int i;

	for (i = 0; i < counters->num; i++)
		if (!strcmp(counters->list[i].name, name))
			return counters->list[i].value;
	return 0;
}

/* In percent; of a pool that was never asked, 0. */
double hit_rate(__u64 hits, __u64 misses)
{
	return hits + misses ? 100.0 * hits / (hits + misses) : 0;
}

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
