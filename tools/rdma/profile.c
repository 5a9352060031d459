// SPDX-License-Identifier: GPL-2.0
/*
 * profile save, profile load: what was most in use is pinned again
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rdma_frmr.h"

static const char header[] =
"# What was most in use, for \"rdma-frmr profile load\" to pin: a line for each\n"
"# pool, with its device, key (vendor_key:num_dma_blocks:access_flags:ats, in\n"
"# hex), and number of handles. Edit it as you like.\n";

/* One line of a profile */
struct entry {
	char dev[64];
	struct frmr_key key;
	__u32 count;
	unsigned int line;
};

struct profile {
	struct entry *entries;
	size_t count;
};

static int file_error(const char *what, const char *file)
{
	fprintf(stderr, "%s %s: %s\n", what, file, strerror(errno));
	return EXIT_FAILURE;
}

static void save_pool(const struct frmr_device *dev,
		      const struct frmr_pool *pool, void *arg)
{
	char key[64];

	if (!pool || !pool->max_in_use)
		return;
	format_key(key, sizeof(key), &pool->key);
	fprintf(arg, "%-10s %-28s %8llu\n", dev->name, key, pool->max_in_use);
}

/* Returns whether all of it was written. */
static bool save_to(FILE *out, const struct filter *filter)
{
	fputs(header, out);
	if (filter_pools(filter, false, save_pool, out))
		return false;
	if (!fflush(out) && !ferror(out))
		return true;
	perror("can't write");
	return false;
}

/* A file that is there stays until the new one is whole. */
static int save_file(const char *file, const struct filter *filter)
{
	int status = EXIT_FAILURE, fd;
	char *temporary;
	FILE *out;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return EXIT_FAILURE;
	fd = mkstemp(temporary);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		file_error("can't create", temporary);
		goto out;
	}
	if (save_to(out, filter)) {
		if (fchmod(fd, 0644) || fsync(fd) || rename(temporary, file))
			file_error("can't write", file);
		else
			status = EXIT_SUCCESS;
	}
	fclose(out);
	if (status)
		unlink(temporary);
out:
	free(temporary);
	return status;
}

static bool parse_entry(char *text, struct entry *entry)
{
	const char *dev = strtok(text, " \t\n");
	const char *key = strtok(NULL, " \t\n");
	const char *count = strtok(NULL, " \t\n");
	__u64 number;

	if (!count || strtok(NULL, " \t\n") ||
	    strlen(dev) >= sizeof(entry->dev) || !parse_key(key, &entry->key) ||
	    !parse_number(count, 10, UINT32_MAX, &number))
		return false;
	snprintf(entry->dev, sizeof(entry->dev), "%s", dev);
	entry->count = number;
	return true;
}

/* A line that is not understood says so; then nothing is loaded at all. */
static bool read_profile(FILE *in, const char *file, struct profile *profile)
{
	struct entry entry = {}, *more;
	char *text = NULL;
	size_t size = 0;
	bool good = true;

	while (getline(&text, &size, in) >= 0) {
		entry.line++;
		text[strcspn(text, "#")] = 0;
		if (!text[strspn(text, " \t\n")])
			continue;
		if (!parse_entry(text, &entry)) {
			fprintf(stderr, "%s:%u: not a device, a key and a number\n",
				file, entry.line);
			good = false;
			continue;
		}
		more = reallocarray(profile->entries, profile->count + 1,
				    sizeof(entry));
		if (!more)
			break;
		profile->entries = more;
		profile->entries[profile->count++] = entry;
	}
	free(text);
	if (feof(in))
		return good;
	file_error("can't read", file);
	return false;
}

/* The others are pinned, whatever happens to one. */
static int load_profile(const struct profile *profile, const char *file,
			const char *dev)
{
	int status = EXIT_SUCCESS;
	const struct entry *e;
	__u32 index;

	for (e = profile->entries; e < profile->entries + profile->count; e++) {
		if (dev && strcmp(e->dev, dev))
			continue;
		if (!nl_find_device(e->dev, &index) &&
		    !nl_set_pinned(index, &e->key, e->count))
			continue;
		fprintf(stderr, "%s:%u: not pinned\n", file, e->line);
		status = EXIT_FAILURE;
	}
	return status;
}

static int load_file(const char *file, const char *dev)
{
	bool is_stdin = !strcmp(file, "-");
	FILE *in = is_stdin ? stdin : fopen(file, "r");
	struct profile profile = {};
	int status = EXIT_FAILURE;

	if (!in)
		return file_error("can't read", file);
	if (read_profile(in, file, &profile))
		status = load_profile(&profile, file, dev);
	if (!is_stdin)
		fclose(in);
	free(profile.entries);
	return status;
}

int cmd_profile(int argc, char **argv)
{
	struct filter filter = {};

	if (argc != 2 && (argc != 4 || strcmp(argv[2], "dev")))
		return usage_error("expected: profile save|load FILE [ dev DEV ]",
				   NULL);
	filter.dev = argc == 4 ? argv[3] : NULL;
	if (!strcmp(argv[0], "load"))
		return load_file(argv[1], filter.dev);
	if (strcmp(argv[0], "save"))
		return usage_error("neither save nor load", argv[0]);
	if (strcmp(argv[1], "-"))
		return save_file(argv[1], &filter);
	return save_to(stdout, &filter) ? EXIT_SUCCESS : EXIT_FAILURE;
}
