// SPDX-License-Identifier: GPL-2.0
/*
 * What the commands say alike: mistakes, JSON, and what was counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "rdma_frmr.h"

/* @word, if not NULL, is where the user went wrong. */
int usage_error(const char *what, const char *word)
{
	if (word)
		fprintf(stderr, "\"%s\": ", word);
	fprintf(stderr, "%s\nTry \"rdma-frmr help\".\n", what);
	return EXIT_FAILURE;
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
