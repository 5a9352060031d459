// SPDX-License-Identifier: GPL-2.0
/*
 * Takes the model and the pools through millions of random steps.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model.h"

/* How often each step is taken, of so many; what is left is pop and push. */
#define ODDS 100000
static const u32 odds[MODEL_NUM_OPS] = {
	[MODEL_MOVE] = 4000,
	[MODEL_DROP] = 1000,
	[MODEL_TIME] = 150,
	[MODEL_PIN] = 100,
	[MODEL_RECLAIM] = 30,
	[MODEL_PRESSURE] = 10,
	[MODEL_ROOM] = 30,
	[MODEL_PERIOD] = 5,
	[MODEL_CAPACITY] = 40,
	[MODEL_MISUSE] = 2,
	[MODEL_LEAK] = 1,
	[MODEL_CLEANUP] = 1,
	[MODEL_CHECK] = 50,
};

/* After so many steps, there are more pops or more pushes than before. */
#define PHASE 4096

static u64 state;

static u32 choose(u32 limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (u64)(u32)(state >> 32) * limit >> 32;
}

static enum model_op choose_op(u32 pops)
{
	u32 n = choose(ODDS);
	enum model_op op;

	for (op = MODEL_MOVE; op < MODEL_NUM_OPS; op++) {
		if (n < odds[op])
			return op;
		n -= odds[op];
	}
	return n % 100 < pops ? MODEL_POP : MODEL_PUSH;
}

/* To find the steps that led to a failure again. */
static u64 seed = 1, step;

static void tell_seed(void)
{
	fprintf(stderr, "seed %llu, step %llu\n", seed, step);
}

void __sanitizer_set_death_callback(void (*callback)(void));
#pragma weak __sanitizer_set_death_callback

static void on_abort(int signal)
{
	tell_seed();
}

int main(int argc, char **argv)
{
	u64 steps = 50000000;
	u32 pops = 50;
	int c;

	while ((c = getopt(argc, argv, "n:s:")) != -1) {
		if (c == 'n')
			steps = strtoull(optarg, NULL, 0);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			exit(1);
	}
	signal(SIGABRT, on_abort);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(tell_seed);

	state = 0x9e3779b97f4a7c15ULL * (seed + 1);
	model_choose = choose;
	model_start();
	for (step = 0; step < steps; step++) {
		if (step % PHASE == 0)
			pops = 30 + choose(41);
		model_step(choose_op(pops));
	}
	model_end();
	printf("%llu steps, seed %llu\n", steps, seed);
	return 0;
}
