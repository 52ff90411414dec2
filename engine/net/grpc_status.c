/* Status names, percent-encoding, timeouts, mappings; see grpc_status.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_status.h"
#include <inttypes.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

const char *grpc_status_name(int status)
{
    switch (status) {
#define X(name, number)                                                                                      \
    case number:                                                                                             \
        return #name;
        GRPC_STATUSES(X)
#undef X
    default:
        return "?";
    }
}

int grpc_status_parse(struct str text)
{
    int status = 0;
    if (text.n == 0 || text.n > 2)
        return GRPC_UNKNOWN;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return GRPC_UNKNOWN;
        status = status * 10 + (text.p[i] - '0');
    }
    return status <= GRPC_UNAUTHENTICATED ? status : GRPC_UNKNOWN;
}

size_t grpc_percent_encode(struct str text, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    return n;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

size_t grpc_percent_decode(struct str text, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int high = text.p[i] == '%' && i + 2 < text.n ? hex(text.p[i + 1]) : -1;
        int low = high >= 0 ? hex(text.p[i + 2]) : -1;
        if (low < 0) {
            out[n++] = text.p[i];
            continue;
        }
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    return n;
}

bool grpc_timeout_parse(struct str text, int64_t *us)
{
    if (text.n < 2 || text.n > 9)
        return false;
    int64_t n = 0;
    for (size_t i = 0; i + 1 < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (text.p[i] - '0');
    }
    switch (text.p[text.n - 1]) {
    case 'H':
        *us = n * 3600 * 1000000;
        return true;
    case 'M':
        *us = n * 60 * 1000000;
        return true;
    case 'S':
        *us = n * 1000000;
        return true;
    case 'm':
        *us = n * 1000;
        return true;
    case 'u':
        *us = n;
        return true;
    case 'n':
        *us = (n + 999) / 1000;
        return true;
    default:
        return false;
    }
}

size_t grpc_timeout_write(int64_t us, char text[GRPC_TIMEOUT_TEXT])
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {{'u', 1}, {'m', 1000}, {'S', 1000000}, {'M', 60 * 1000000LL}, {'H', 3600 * 1000000LL}};
    if (us < 1)
        return (size_t)snprintf(text, GRPC_TIMEOUT_TEXT, "1n");
    size_t i = 0;
    while (i < 4 && us / units[i].us + (us % units[i].us != 0) > 99999999)
        i++;
    int64_t n = us / units[i].us + (us % units[i].us != 0);
    if (n > 99999999)
        n = 99999999;
    return (size_t)snprintf(text, GRPC_TIMEOUT_TEXT, "%" PRId32 "%c", (int32_t)n, units[i].unit);
}

int grpc_status_of_http(int http_status)
{
    switch (http_status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

int grpc_status_of_h2(uint32_t error_code)
{
    switch (error_code) {
    case NGHTTP2_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}
