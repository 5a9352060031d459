// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers and keys, as users write and read them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_frmr.h"

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
