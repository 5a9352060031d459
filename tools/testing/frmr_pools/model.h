/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pools must do, in a form that is simple to check.
 */
#ifndef _MODEL_H
#define _MODEL_H

#include <linux/types.h>

/* What a step does. */
enum model_op {
	MODEL_POP,
	MODEL_PUSH,
	MODEL_MOVE, /* to another CPU */
	MODEL_DROP,
	MODEL_TIME,
	MODEL_PIN,
	MODEL_RECLAIM,
	MODEL_PRESSURE, /* of memory */
	MODEL_ROOM, /* for objects of others */
	MODEL_PERIOD,
	MODEL_CAPACITY,
	MODEL_MISUSE,
	MODEL_LEAK,
	MODEL_CLEANUP,
	MODEL_CHECK,
	MODEL_NUM_OPS
};

/* Where all decisions of the model come from: a number below @limit. */
extern u32 (*model_choose)(u32 limit);

void model_start(void);
void model_step(enum model_op op);
void model_end(void);

#endif /* _MODEL_H */
