/* What is held of a customer, for people: a heading and a line each, names instead of numbers, times as RFC 3339; control
 * characters taken out, since ids and attributes are somebody's text. Parts of which there is nothing are left out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_CUSTOMER_TEXT_H
#define TACT_TOOLS_CUSTOMER_TEXT_H
#include "tact/v1/customers.pb-c.h"
#include <stdint.h>
#include <stdio.h>

/* asked: the id or alias that was asked for. Times are shown offset_s seconds east of UTC. */
void customer_text(const char *asked, const Tact__V1__GetResponse *m, int32_t offset_s, FILE *out);

#endif
