/* Redis requests as bytes; see resp.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/resp.h"

static size_t digits(size_t n)
{
    size_t count = 1;
    for (; n >= 10; n /= 10)
        count++;
    return count;
}

/* The mark ('*' or '$'), a number, CR LF. */
static char *head(char *out, char mark, size_t n)
{
    size_t count = digits(n);
    *out = mark;
    for (size_t i = count; i > 0; i--, n /= 10)
        out[i] = (char)('0' + n % 10);
    out[count + 1] = '\r';
    out[count + 2] = '\n';
    return out + count + 3;
}

size_t resp_size(const struct str *args, size_t count)
{
    size_t size = digits(count) + 3;
    for (size_t i = 0; i < count; i++)
        size += digits(args[i].n) + 3 + args[i].n + 2;
    return size;
}

void resp_write(char *out, const struct str *args, size_t count)
{
    out = head(out, '*', count);
    for (size_t i = 0; i < count; i++) {
        out = head(out, '$', args[i].n);
        if (args[i].n)
            memcpy(out, args[i].p, args[i].n);
        out += args[i].n;
        *out++ = '\r';
        *out++ = '\n';
    }
    *out = 0;
}
