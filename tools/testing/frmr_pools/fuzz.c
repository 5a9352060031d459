// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer writes the story: each byte is a step or a choice within one.
 */
#include "control.h"
#include "model.h"

static const u8 *input;
static size_t input_left;

static u8 next_byte(void)
{
	if (!input_left)
		return 0;
	input_left--;
	return *input++;
}

static u32 choose(u32 limit)
{
	u32 n = next_byte();

	if (limit > 256)
		n |= next_byte() << 8;
	return n % limit;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	input = data;
	input_left = size;
	model_choose = choose;
	model_start();
	while (input_left) {
		model_step(next_byte() % MODEL_NUM_OPS);
		model_step(MODEL_CHECK);
	}
	model_end();
	return 0;
}
