/* The data set of the simulated store: values by key, with a time to live. Internal to the simulated store. Bytes are copied in; what is
 * returned is valid until the value is changed or removed. A value whose time is over is as good as not there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_SIM_DATA_H
#define TACT_STORE_SIM_DATA_H
#include "base/str.h"
#include <stdint.h>

struct sim_value;
struct sim_data {
    struct sim_value *values; /* NULL: none */
};

/* NULL: absent. */
const struct str *sim_data_find(struct sim_data *d, struct str key, int64_t now_us);
/* Empty: absent, or empty. */
struct str sim_data_get(struct sim_data *d, struct str key, int64_t now_us);
/* expires_us INT64_MAX: never. */
void sim_data_put(struct sim_data *d, struct str key, struct str data, int64_t expires_us);
void sim_data_remove(struct sim_data *d, struct str key);
/* Removes a value whose time is over; whether there was one. */
bool sim_data_expire(struct sim_data *d, struct str key, int64_t now_us);
/* Visits what is there under keys that begin so, in the order in which they were made; visit may remove what it visits. */
void sim_data_each(struct sim_data *d, struct str prefix, int64_t now_us,
                   void (*visit)(void *ctx, struct str key, struct str data), void *ctx);
void sim_data_clear(struct sim_data *d);

#endif
