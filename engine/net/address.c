/* Parsing and writing addresses; see address.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int parse_unix(const char *path, struct address *out, struct error *e)
{
    size_t n = strlen(path);
    if (n == 0)
        return error_set(e, ERR_INVALID, "unix: needs the path of a socket, as in unix:/run/tact.sock");
    if (n >= sizeof out->path)
        return error_set(e, ERR_INVALID,
                         "unix:%s: the path is %zu bytes long; a socket's path has at most %zu", path, n,
                         sizeof out->path - 1);
    out->is_unix = true;
    memcpy(out->path, path, n + 1);
    return 0;
}

/* Cuts "host:port" or "[host]:port"; false when it is neither. */
static bool split(const char *text, char host[256], char port[6])
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    const char *start = text, *end = colon;
    if (*text == '[') {
        if (end - start < 3 || end[-1] != ']')
            return false;
        start++;
        end--;
    } else if (memchr(start, ':', (size_t)(end - start))) {
        return false; /* an IPv6 address needs brackets */
    }
    size_t host_n = (size_t)(end - start), port_n = strlen(colon + 1);
    if (host_n == 0 || host_n > 255 || port_n == 0 || port_n > 5 ||
        strspn(colon + 1, "0123456789") != port_n || atoi(colon + 1) > 65535)
        return false;
    memcpy(host, start, host_n);
    host[host_n] = 0;
    memcpy(port, colon + 1, port_n + 1);
    return true;
}

int address_parse(const char *text, uv_loop_t *loop, struct address *out, struct error *e)
{
    *out = (struct address){0};
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, out, e);
    char host[256], port[6];
    if (!split(text, host, port))
        return error_set(e, ERR_INVALID,
                         "%s: not an address; allowed: HOST:PORT, [IPV6]:PORT, unix:/PATH (port 0 to 65535)",
                         text);
    uv_getaddrinfo_t request;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int r = uv_getaddrinfo(loop, &request, NULL, host, port, &hints);
    if (r < 0)
        return error_set(e, ERR_NOTFOUND, "%s: no such host: %s", text, uv_strerror(r));
    for (struct addrinfo *a = request.addrinfo; a && out->found_count < ADDRESS_FOUND_MAX; a = a->ai_next)
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
            memcpy(&out->found[out->found_count++], a->ai_addr, a->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    return out->found_count ? 0 : error_set(e, ERR_NOTFOUND, "%s: no such host", text);
}

void address_write(const struct sockaddr *a, char text[ADDRESS_TEXT])
{
    char name[64] = "?";
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
        uv_ip6_name(in6, name, sizeof name);
        snprintf(text, ADDRESS_TEXT, "[%s]:%d", name, ntohs(in6->sin6_port));
        return;
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)a;
    uv_ip4_name(in, name, sizeof name);
    snprintf(text, ADDRESS_TEXT, "%s:%d", name, ntohs(in->sin_port));
}
