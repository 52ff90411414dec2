/* The private Redis; see redis_embedded.h.
 *
 * The child is made by fork and exec of our own rather than uv_spawn, since PR_SET_PDEATHSIG must be set in
 * between. Between fork and exec only async-signal-safe calls are made. The lock's descriptor goes to the
 * child without close-on-exec: flock belongs to the open file, so the lock falls when the last of the two
 * processes is gone. An exec that fails reports errno through a close-on-exec pipe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_embedded.h"
#include "base/buf.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SOCKET_PATH_MAX = 106, /* see REDIS_PATH_MAX */
    POLL_STEP_MS = 2,
    PING_MS = 200,
    CHILD_LOCK_FD = 3,
    CHILD_REPORT_FD = 4,
    URL_MAX = 16 + 3 * SOCKET_PATH_MAX,
    PERMISSIONS = 0700
};

struct redis_embedded {
    char *folder; /* absolute */
    char *binary;
    struct redis_embedded_options options;
    int lock_fd;
    pid_t pid;                    /* 0: none */
    char socket_folder[PATH_MAX]; /* mkdtemp's, empty when the socket is in folder */
    char socket[SOCKET_PATH_MAX + 1];
    char log[PATH_MAX];
    char url[URL_MAX];
};

static void nap(void)
{
    struct timespec t = {.tv_nsec = POLL_STEP_MS * 1000000L};
    nanosleep(&t, NULL);
}

static int64_t deadline_in(int ms)
{
    return clock_mono_us() + (int64_t)ms * 1000;
}

/* ---- finding things ---- */

/* Not realpath: Debian's redis-server is a link to a program that looks at the name it was called by. */
static char *absolute(const char *path)
{
    char here[PATH_MAX], *whole = NULL;
    if (path[0] == '/')
        return strdup(path);
    if (!getcwd(here, sizeof here) || asprintf(&whole, "%s/%s", here, path) < 0)
        return NULL;
    return whole;
}

/* The first executable `name` in the colon-separated list of folders, as new memory, or NULL. */
static char *find_in(const char *list, const char *name)
{
    char path[PATH_MAX];
    while (list && *list) {
        size_t n = strcspn(list, ":");
        int length = snprintf(path, sizeof path, "%.*s/%s", (int)n, list, name);
        if (n && length > 0 && (size_t)length < sizeof path && access(path, X_OK) == 0)
            return absolute(path);
        list += n + (list[n] == ':');
    }
    return NULL;
}

static int find_binary(char **out, const char *wanted, struct error *e)
{
    static const char *const names[] = {"redis-server", "valkey-server"};
    if (wanted && strchr(wanted, '/')) {
        *out = access(wanted, X_OK) == 0 ? absolute(wanted) : NULL;
        return *out ? 0 : error_set(e, ERR_NOTFOUND, "embedded store: %s: %s", wanted, strerror(errno));
    }
    for (size_t i = 0; i < 2; i++) {
        const char *name = wanted ? wanted : names[i];
        if ((*out = find_in(getenv("PATH"), name)) ||
            (*out = find_in("/usr/local/bin:/usr/bin:/usr/sbin", name)))
            return 0;
    }
    return error_set(
        e, ERR_NOTFOUND,
        "embedded store: there is no %s; install the Debian package redis-server (or valkey-server), or "
        "give the address of a running Redis",
        wanted ? wanted : "redis-server or valkey-server");
}

static int make_folder(struct redis_embedded *r, const char *folder, struct error *e)
{
    if (mkdir(folder, PERMISSIONS) < 0 && errno != EEXIST)
        return error_set(e, ERR_IO, "embedded store: cannot make the folder %s: %s", folder, strerror(errno));
    r->folder = realpath(folder, NULL);
    if (!r->folder)
        return error_set(e, ERR_IO, "embedded store: %s: %s", folder, strerror(errno));
    int n = snprintf(r->log, sizeof r->log, "%s/redis.log", r->folder);
    if (n < 0 || (size_t)n >= sizeof r->log)
        return error_set(e, ERR_INVALID, "embedded store: the folder's path is too long");
    return 0;
}

/* The lock file's second line: the socket folder of whoever had the lock before; left behind by a kill -9. */
static void remove_old_socket_folder(int fd)
{
    char text[PATH_MAX + 64], path[PATH_MAX];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return;
    text[n] = 0;
    char *line = strchr(text, '\n');
    if (!line || line[1] != '/')
        return;
    line++;
    line[strcspn(line, "\n")] = 0;
    if (snprintf(path, sizeof path, "%s/redis.sock", line) < (int)sizeof path) {
        unlink(path);
        rmdir(line);
    }
}

/* Waits a little for the lock: a Redis whose server was killed needs a moment to die. */
static int lock_folder(struct redis_embedded *r, struct error *e)
{
    char path[PATH_MAX + 16], owner[32] = "";
    snprintf(path, sizeof path, "%s/lock", r->folder);
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->lock_fd < 0)
        return error_set(e, ERR_IO, "embedded store: %s: %s", path, strerror(errno));
    int64_t deadline = deadline_in(r->options.lock_timeout_ms);
    while (flock(r->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set(e, ERR_IO, "embedded store: locking %s: %s", path, strerror(errno));
        ssize_t n = pread(r->lock_fd, owner, sizeof owner - 1, 0);
        owner[n > 0 ? n : 0] = 0;
        owner[strcspn(owner, "\n")] = 0;
        pid_t pid = (pid_t)atoi(owner);
        bool lives = pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
        if (lives || clock_mono_us() > deadline)
            return error_set(e, ERR_EXISTS, "embedded store: the folder %s is in use by process %s",
                             r->folder, owner[0] ? owner : "(unknown)");
        nap();
    }
    remove_old_socket_folder(r->lock_fd);
    return 0;
}

static int choose_socket(struct redis_embedded *r, struct error *e)
{
    const char *temporary = getenv("TMPDIR");
    int n = snprintf(r->socket, sizeof r->socket, "%s/redis.sock", r->folder);
    if (n > SOCKET_PATH_MAX) {
        for (int attempt = 0; attempt < 2; attempt++) {
            const char *base = attempt == 0 && temporary && temporary[0] == '/' ? temporary : "/tmp";
            n = snprintf(r->socket_folder, sizeof r->socket_folder, "%s/tact-XXXXXX", base);
            if (n + (int)strlen("/redis.sock") <= SOCKET_PATH_MAX)
                break;
        }
        if (!mkdtemp(r->socket_folder)) {
            int rc = error_set(e, ERR_IO, "embedded store: %s: %s", r->socket_folder, strerror(errno));
            r->socket_folder[0] = 0;
            return rc;
        }
        snprintf(r->socket, sizeof r->socket, "%.*s/redis.sock", SOCKET_PATH_MAX - 11, r->socket_folder);
    }
    char *to = r->url + snprintf(r->url, sizeof r->url, "unix://");
    for (const char *c = r->socket; *c; c++)
        to += strchr("%?#", *c) ? sprintf(to, "%%%02X", (unsigned char)*c) : sprintf(to, "%c", *c);
    return 0;
}

static int write_owner(struct redis_embedded *r, struct error *e)
{
    char text[PATH_MAX + 32];
    int n = snprintf(text, sizeof text, "%ld\n%s\n", (long)getpid(), r->socket_folder);
    if (ftruncate(r->lock_fd, 0) < 0 || pwrite(r->lock_fd, text, (size_t)n, 0) != n)
        return error_set(e, ERR_IO, "embedded store: writing %s/lock: %s", r->folder, strerror(errno));
    return 0;
}

/* ---- the child ---- */

/* Between fork and exec. Never returns. */
_Noreturn static void become_redis(const char *binary, char **args, const char *folder, int lock_fd,
                                   int log_fd, int report_fd, pid_t parent)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY);
    /* All sources move above the fixed numbers first, so that no dup2 below overwrites one of them. */
    int high = CHILD_REPORT_FD + 1;
    int lock = fcntl(lock_fd, F_DUPFD, high), log = fcntl(log_fd, F_DUPFD, high);
    int report = fcntl(report_fd, F_DUPFD, high), null = fcntl(null_fd, F_DUPFD, high);
    bool good = chdir(folder) == 0 && dup2(null, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0 &&
                dup2(lock, CHILD_LOCK_FD) >= 0 && dup2(report, CHILD_REPORT_FD) >= 0 &&
                fcntl(CHILD_REPORT_FD, F_SETFD, FD_CLOEXEC) >= 0;
    if (good) {
        close_range(CHILD_REPORT_FD + 1, ~0U, 0); /* an old kernel without it leaves a few open: harmless */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        setsid();
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) /* it died before the prctl */
            _exit(1);
        execv(binary, args);
    }
    int why = errno;
    ssize_t ignored = write(good ? CHILD_REPORT_FD : report_fd, &why, sizeof why);
    (void)ignored;
    _exit(127);
}

/* Redis runs in its folder and gets relative paths, since its versions differ in how they read spaces and
 * quotes. */
static int spawn(struct redis_embedded *r, struct error *e)
{
    char maxmemory[32];
    snprintf(maxmemory, sizeof maxmemory, "%llu", (unsigned long long)r->options.maxmemory_bytes);
    const char *where = r->socket_folder[0] ? r->socket : "redis.sock";
    const char *often = r->options.sync_always ? "always" : "everysec";
    const char *args[] = {r->binary,    "--port",
                          "0",          "--unixsocket",
                          where,        "--unixsocketperm",
                          "700",        "--appendonly",
                          "yes",        "--appendfsync",
                          often,        "--save",
                          "",           "--maxmemory-policy",
                          "noeviction", "--maxmemory",
                          maxmemory,    "--daemonize",
                          "no",         "--logfile",
                          "redis.log",  NULL};
    int report[2] = {-1, -1}, why = 0;
    int log_fd = open(r->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0 || pipe2(report, O_CLOEXEC) < 0) {
        int rc = error_set(e, ERR_IO, "embedded store: %s: %s", r->log, strerror(errno));
        if (log_fd >= 0)
            close(log_fd);
        return rc;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become_redis(r->binary, (char **)(uintptr_t)args, r->folder, r->lock_fd, log_fd, report[1], parent);
    int fork_error = errno;
    close(report[1]);
    close(log_fd);
    ssize_t n = pid > 0 ? read(report[0], &why, sizeof why) : 0;
    close(report[0]);
    if (pid < 0)
        return error_set(e, ERR_IO, "embedded store: fork: %s", strerror(fork_error));
    if (n == (ssize_t)sizeof why) {
        waitpid(pid, NULL, 0);
        return error_set(e, ERR_IO, "embedded store: cannot run %s: %s", r->binary, strerror(why));
    }
    r->pid = pid;
    return 0;
}

bool redis_embedded_alive(struct redis_embedded *r)
{
    if (r->pid > 0 && waitpid(r->pid, NULL, WNOHANG) != 0) /* gone, or not ours to wait for any more */
        r->pid = 0;
    return r->pid > 0;
}

/* Connects, says PING, reads what comes. True on +PONG: it serves (while loading it says -LOADING). */
static bool answers(const struct redis_embedded *r)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char reply[8] = "";
    memcpy(address.sun_path, r->socket, strlen(r->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    good = good && poll(&p, 1, PING_MS) == 1 && recv(fd, reply, sizeof reply - 1, 0) >= 5;
    close(fd);
    return good && strncmp(reply, "+PONG", 5) == 0;
}

/* The last line of its log, for the error text. */
static void last_log_line(const struct redis_embedded *r, char *line, size_t size)
{
    char tail[1024];
    line[0] = 0;
    int fd = open(r->log, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    ssize_t n =
        pread(fd, tail, sizeof tail - 1, end > (off_t)sizeof tail - 1 ? end - (off_t)sizeof tail + 1 : 0);
    close(fd);
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == '\r'))
        n--;
    tail[n > 0 ? n : 0] = 0;
    const char *last = strrchr(tail, '\n');
    snprintf(line, size, "%.*s", (int)size - 1, last ? last + 1 : tail);
}

static int wait_until_ready(struct redis_embedded *r, struct error *e)
{
    char line[256];
    int64_t deadline = deadline_in(r->options.start_timeout_ms);
    while (!answers(r)) {
        bool alive = redis_embedded_alive(r);
        if (!alive || clock_mono_us() > deadline) {
            last_log_line(r, line, sizeof line);
            return error_set(e, alive ? ERR_TIMEOUT : ERR_IO, "embedded store: %s %s; %s says: %s", r->binary,
                             alive ? "does not answer in time" : "stopped while starting", r->log, line);
        }
        nap();
    }
    return 0;
}

static bool wait_for_end(struct redis_embedded *r, int ms)
{
    int64_t deadline = deadline_in(ms);
    while (redis_embedded_alive(r)) {
        if (clock_mono_us() > deadline)
            return false;
        nap();
    }
    return true;
}

/* ---- the owner's side ---- */

int redis_embedded_restart(struct redis_embedded *r, bool wait, struct error *e)
{
    if (redis_embedded_alive(r))
        return 0;
    unlink(r->socket);
    int rc = spawn(r, e);
    return rc == 0 && wait ? wait_until_ready(r, e) : rc;
}

int redis_embedded_start(struct redis_embedded **out, const char *folder,
                         const struct redis_embedded_options *options, struct error *e)
{
    int rc;
    struct redis_embedded *r = calloc(1, sizeof *r);
    ASSERT(r != NULL);
    *out = NULL;
    r->lock_fd = -1;
    if (options)
        r->options = *options;
    if (r->options.start_timeout_ms <= 0)
        r->options.start_timeout_ms = REDIS_EMBEDDED_START_MS;
    if (r->options.stop_timeout_ms <= 0)
        r->options.stop_timeout_ms = REDIS_EMBEDDED_STOP_MS;
    if (r->options.lock_timeout_ms <= 0)
        r->options.lock_timeout_ms = REDIS_EMBEDDED_LOCK_MS;
    if ((rc = find_binary(&r->binary, r->options.binary, e)) < 0 || (rc = make_folder(r, folder, e)) < 0 ||
        (rc = lock_folder(r, e)) < 0 || (rc = choose_socket(r, e)) < 0 || (rc = write_owner(r, e)) < 0 ||
        (rc = redis_embedded_restart(r, true, e)) < 0) {
        redis_embedded_stop(&r);
        return rc;
    }
    r->options.binary = NULL; /* the caller's text may go */
    *out = r;
    return 0;
}

void redis_embedded_stop(struct redis_embedded **which)
{
    struct redis_embedded *r = *which;
    *which = NULL;
    if (!r)
        return;
    if (redis_embedded_alive(r)) {
        kill(r->pid, SIGTERM);
        if (!wait_for_end(r, r->options.stop_timeout_ms)) {
            kill(r->pid, SIGKILL);
            wait_for_end(r, r->options.stop_timeout_ms);
        }
    }
    if (r->url[0])
        unlink(r->socket);
    if (r->socket_folder[0])
        rmdir(r->socket_folder);
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    free(r->folder);
    free(r->binary);
    free(r);
}

const char *redis_embedded_url(const struct redis_embedded *r)
{
    return r->url;
}

pid_t redis_embedded_pid(const struct redis_embedded *r)
{
    return r->pid;
}
