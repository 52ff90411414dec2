/* The house's law, checked on the source text: #include lines point down only, the pure folders touch neither
 * network nor clock, each .c has its .h, every file carries its SPDX line. A finding reads file:line: what is
 * wrong. The checks themselves are first tried on a small tree that breaks each of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/str.h"
#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* A room, where it lies, and the rooms that it may include besides itself. */
struct room {
    const char *name, *folder, *may;
    bool pure;
};

static const struct room rooms[] = {
    {"base", "engine/base", "", false},
    {"expr", "engine/expr", "base", true},
    {"state", "engine/state", "base expr", true},
    {"policy", "engine/policy", "base expr state", true},
    {"models", "models", "base expr state policy", true},
    {"decide", "engine/decide", "base expr state policy models tact", true},
    {"store", "engine/store", "base", false},
    {"net", "engine/net", "base", false},
    {"log", "engine/log", "base", false},
    {"models/offline", "models/offline", "base expr state policy models decide store net log tact", false},
    {"server", "engine/server", "base expr state policy models decide store net log tact", false},
};
enum { ROOMS = sizeof rooms / sizeof *rooms, FINDINGS_MAX = 200 };

/* What the pure folders do not include and do not call (DESIGN section 2: no I/O, clock, global or hidden
 * randomness). */
static const char *const impure_headers[] = {
    "uv.h",       "hiredis", "nghttp2",     "sys/socket.h", "netinet/",     "arpa/",    "netdb.h",
    "sys/time.h", "poll.h",  "sys/epoll.h", "pthread.h",    "microhttpd.h", "openssl/", "base/clock.h"};
static const char *const impure_calls[] = {
    "clock_gettime", "gettimeofday", "time",       "clock",  "localtime", "localtime_r",
    "gmtime",        "mktime",       "getenv",     "rand",   "srand",     "random",
    "srandom",       "getrandom",    "arc4random", "usleep", "nanosleep", "sleep"};

struct findings {
    char *lines[FINDINGS_MAX];
    size_t count;
};

static void find(struct findings *f, const char *file, int line, const char *format, ...) PRINTF_LIKE(4, 5);
static void find(struct findings *f, const char *file, int line, const char *format, ...)
{
    char text[400];
    int n = snprintf(text, sizeof text, "%s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    if (f->count < FINDINGS_MAX)
        f->lines[f->count++] = strdup(text);
}

static void forget(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->lines[i]);
    f->count = 0;
}

static bool has_word(const char *list, const char *word, size_t n)
{
    for (const char *p = list; *p;) {
        size_t k = strcspn(p, " ");
        if (k == n && memcmp(p, word, n) == 0)
            return true;
        p += k + (p[k] == ' ');
    }
    return false;
}

/* Whether a room may include "target"; n is the length of its room's name. */
static bool may_include(const struct room *room, const char *target)
{
    size_t n = strcspn(target, "/");
    if (strncmp(target, "models/offline/", 15) == 0)
        n = 14;
    return (strlen(room->name) == n && memcmp(room->name, target, n) == 0) || has_word(room->may, target, n);
}

static bool exists(const char *root, const char *path)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, path);
    return access(full, R_OK) == 0;
}

/* One #include line; quoted says which brackets it has. */
static void check_include(struct findings *f, const char *root, const struct room *room, const char *file,
                          int line, const char *target, bool quoted)
{
    char in_engine[600];
    snprintf(in_engine, sizeof in_engine, "engine/%s", target);
    if (quoted && (!strchr(target, '/') || strstr(target, "..")))
        find(f, file, line, "\"%s\": write the room too, as \"%s/…\"", target, room->name);
    else if (quoted && !may_include(room, target))
        find(f, file, line, "%s must not include \"%s\"; it may include its own and: %s", room->name, target,
             *room->may ? room->may : "nothing");
    else if (quoted && strncmp(target, "tact/", 5) != 0 && !exists(root, in_engine) && !exists(root, target))
        find(f, file, line, "there is no \"%s\"", target);
    for (size_t i = 0; room->pure && i < sizeof impure_headers / sizeof *impure_headers; i++)
        if (strncmp(target, impure_headers[i], strlen(impure_headers[i])) == 0)
            find(f, file, line, "%s is pure and must not include %s", room->name, target);
}

static bool word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A line without comments and texts. */
static void check_calls(struct findings *f, const struct room *room, const char *file, int line,
                        const char *code)
{
    for (const char *p = code; *p;) {
        size_t n = 0;
        while (word_byte(p[n]))
            n++;
        for (size_t i = 0; n && p[n] == '(' && i < sizeof impure_calls / sizeof *impure_calls; i++) {
            bool member = p > code && (p[-1] == '.' || p[-1] == '>');
            if (strlen(impure_calls[i]) == n && memcmp(p, impure_calls[i], n) == 0 && !member)
                find(f, file, line, "%s is pure and must not call %s", room->name, impure_calls[i]);
        }
        p += n ? n : 1;
    }
}

/* Blanks comments and the contents of texts and characters, in place; lines stay where they are. #include
 * lines keep theirs. */
static void strip(char *p)
{
    enum { CODE, TEXT, LETTER, BLOCK, LINE } in = CODE;
    bool include = false, fresh = true;
    for (; *p; p++) {
        if (*p == '\n') {
            fresh = true;
            include = false;
            in = in == BLOCK ? BLOCK : CODE;
            continue;
        }
        if (fresh && in == CODE && *p == '#' && strncmp(p + 1 + strspn(p + 1, " "), "include", 7) == 0)
            include = true;
        fresh = fresh && *p == ' ';
        if (in == CODE && p[0] == '/' && (p[1] == '*' || p[1] == '/')) {
            in = p[1] == '*' ? BLOCK : LINE;
            *p++ = ' ';
            *p = ' ';
        } else if (in == BLOCK && p[0] == '*' && p[1] == '/') {
            in = CODE;
            *p++ = ' ';
            *p = ' ';
        } else if (in == BLOCK || in == LINE) {
            *p = ' ';
        } else if (in == CODE && !include && (*p == '"' || (*p == '\'' && (!fresh && !word_byte(p[-1]))))) {
            in = *p == '"' ? TEXT : LETTER;
        } else if (in != CODE && *p == '\\' && p[1] && p[1] != '\n') {
            *p++ = ' ';
            *p = ' ';
        } else if ((in == TEXT && *p == '"') || (in == LETTER && *p == '\'')) {
            in = CODE;
        } else if (in != CODE) {
            *p = ' ';
        }
    }
}

static char *slurp(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return NULL;
    char *text = NULL;
    size_t n = 0, k;
    do {
        text = realloc(text, n + 65537);
        k = fread(text + n, 1, 65536, in);
        n += k;
    } while (k);
    text[n] = 0;
    fclose(in);
    return text;
}

static bool ends(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);
    return n > k && strcmp(name + n - k, suffix) == 0;
}

static void check_spdx(struct findings *f, const char *file, const char *text)
{
    const char *found = strstr(text, "SPDX-License-Identifier: Apache-2.0");
    int line = 1;
    for (const char *p = text; found && p < found; p++)
        line += *p == '\n';
    if (!found || line > 45)
        find(f, file, 1, "no line \"SPDX-License-Identifier: Apache-2.0\" in its head");
}

static void check_source(struct findings *f, const char *root, const struct room *room, const char *file)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, file);
    char *text = slurp(full);
    assert_non_null(text);
    strip(text);
    bool program = strstr(text, "int main(") != NULL;
    int number = 1;
    for (char *line = text, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        char target[512], open;
        if (sscanf(line, " # include %c%511[^\">]", &open, target) == 2)
            check_include(f, root, room, file, number, target, open == '"');
        else if (room->pure)
            check_calls(f, room, file, number, line);
    }
    free(text);
    if (ends(file, ".c") && !program) {
        char header[600];
        snprintf(header, sizeof header, "%.*s.h", (int)strlen(file) - 2, file);
        if (!exists(root, header))
            find(f, file, 1, "it has no header %s", header);
    }
}

static const struct room *room_of(const char *folder)
{
    for (size_t i = 0; i < ROOMS; i++)
        if (strcmp(rooms[i].folder, folder) == 0)
            return &rooms[i];
    return NULL;
}

/* Walks a folder below root; in_house says that its sources belong to a room. Returns how many files it
 * looked at. */
static int walk(struct findings *f, const char *root, const char *folder, bool in_house)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, folder);
    DIR *dir = opendir(full);
    int files = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[600];
        struct stat info;
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
            continue;
        snprintf(full, sizeof full, "%s/%s", root, path);
        if (lstat(full, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode)) {
            files += walk(f, root, path, in_house);
            continue;
        }
        bool c = ends(path, ".c") || ends(path, ".h");
        if (!c && !ends(path, ".py") && !ends(path, ".proto") && !ends(path, ".sh"))
            continue;
        files++;
        char *text = slurp(full);
        assert_non_null(text);
        check_spdx(f, path, text);
        free(text);
        const struct room *room = room_of(folder);
        if (in_house && c && room)
            check_source(f, root, room, path);
        else if (in_house && c)
            find(f, path, 1, "%s is no room of the house", folder);
    }
    if (dir)
        closedir(dir);
    return files;
}

static int walk_all(struct findings *f, const char *root)
{
    static const char *const others[] = {"tools", "tests", "bench", "proto"};
    int files = walk(f, root, "engine", true) + walk(f, root, "models", true);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        files += walk(f, root, others[i], false);
    return files;
}

/* ---- the checks on a tree that breaks them ---- */

static void put(const char *root, const char *path, const char *text)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *out = fopen(full, "wb");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

static bool found(const struct findings *f, const char *start)
{
    for (size_t i = 0; i < f->count; i++)
        if (strncmp(f->lines[i], start, strlen(start)) == 0)
            return true;
    return false;
}

#define HEAD "/* SPDX-License-Identifier: Apache-2.0 */\n"

static void test_broken_tree(void **state)
{
    (void)state;
    char root[] = "/tmp/tact_layers_XXXXXX";
    assert_non_null(mkdtemp(root));
    static const char *const all[] = {"base",  "expr", "state", "policy", "decide",
                                      "store", "net",  "log",   "server"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char path[100];
        snprintf(path, sizeof path, "engine/%s/x.h", all[i]);
        put(root, path, HEAD);
    }
    put(root, "models/x.h", HEAD);
    put(root, "models/offline/x.h", HEAD);
    put(root, "engine/base/x.c", HEAD "#include \"expr/x.h\"\n");
    put(root, "engine/expr/x.c", HEAD "#include \"base/x.h\"\n#include \"x.h\"\n#  include \"state/x.h\"\n");
    put(root, "engine/store/x.c",
        HEAD "#include \"net/x.h\"\n#include \"base/x.h\"\n#include \"state/x.h\"\n");
    put(root, "engine/net/x.c",
        HEAD "#include \"net/x.h\"\n#include \"tact/v1/a.pb-c.h\"\n#include <uv.h>\n");
    put(root, "engine/log/x.c", HEAD "#include \"store/x.h\"\n#include \"log/gone.h\"\n");
    put(root, "engine/server/x.c", HEAD "#include \"models/offline/x.h\"\n#include \"models/x.h\"\n");
    put(root, "models/offline/x.c",
        HEAD "#include \"server/x.h\"\n#include \"decide/x.h\"\n#include \"log/x.h\"\n");
    put(root, "models/x.c", HEAD "#include \"decide/x.h\"\n#include \"models/offline/x.h\"\n");
    put(root, "engine/decide/x.c",
        HEAD "#include <uv.h>\n#include \"base/clock.h\"\n// time(NULL)\n/* rand() \"*/ int a = time(NULL);\n"
             "char *s = \"getenv(\\\"x\\\")\";\nchar c = '\"'; int b = rand();\nint d = x.time(1), e = "
             "my_time(2);\n"
             "#include \"tact/v1/a.pb-c.h\"\n");
    put(root, "engine/state/alone.c", HEAD);
    put(root, "engine/state/program.c", HEAD "int main(void)\n");
    put(root, "engine/base/clock.h", "/* nothing */\n");
    put(root, "engine/base/late.h",
        "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
        "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n" HEAD);
    put(root, "engine/new/x.h", HEAD);
    put(root, "tests/x.py", "# nothing\n");
    static const char *const expected[] = {
        "engine/base/x.c:2: base must not include \"expr/x.h\"",
        "engine/expr/x.c:3: \"x.h\": write the room too",
        "engine/expr/x.c:4: expr must not include \"state/x.h\"",
        "engine/store/x.c:2: store must not include \"net/x.h\"",
        "engine/store/x.c:4: store must not include \"state/x.h\"",
        "engine/net/x.c:3: net must not include \"tact/v1/a.pb-c.h\"",
        "engine/log/x.c:2: log must not include \"store/x.h\"",
        "engine/log/x.c:3: there is no \"log/gone.h\"",
        "engine/server/x.c:2: server must not include \"models/offline/x.h\"",
        "models/offline/x.c:2: models/offline must not include \"server/x.h\"",
        "models/x.c:2: models must not include \"decide/x.h\"",
        "models/x.c:3: models must not include \"models/offline/x.h\"",
        "engine/decide/x.c:2: decide is pure and must not include uv.h",
        "engine/decide/x.c:3: decide is pure and must not include base/clock.h",
        "engine/decide/x.c:5: decide is pure and must not call time",
        "engine/decide/x.c:7: decide is pure and must not call rand",
        "engine/state/alone.c:1: it has no header engine/state/alone.h",
        "engine/base/clock.h:1: no line",
        "engine/base/late.h:1: no line",
        "engine/new/x.h:1: engine/new is no room of the house",
        "tests/x.py:1: no line",
    };
    struct findings f = {0};
    walk_all(&f, root);
    size_t n = sizeof expected / sizeof *expected;
    for (size_t i = 0; i < n; i++)
        if (!found(&f, expected[i]))
            fail_msg("not found: %s", expected[i]);
    if (f.count != n)
        for (size_t i = 0; i < f.count; i++)
            print_message("%s\n", f.lines[i]);
    assert_int_equal(f.count, n);
    forget(&f);
    assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_the_house(void **state)
{
    (void)state;
    struct findings f = {0};
    int files = walk_all(&f, SOURCE_DIR);
    for (size_t i = 0; i < f.count; i++)
        print_error("%s\n", f.lines[i]);
    size_t count = f.count;
    forget(&f);
    assert_true(files > 40);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_broken_tree), cmocka_unit_test(test_the_house)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
