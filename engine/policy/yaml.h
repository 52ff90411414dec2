/* YAML files as people write them, with the place of every value, so that each finding names file, line and
 * column. One document a file. Nodes live in the arena. Anchors, aliases and tags are refused with a message
 * (they hide where a value stands, and cycles with them); duplicate keys are reported. Used for policies and
 * bundles.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_YAML_H
#define TACT_POLICY_YAML_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include <stdint.h>

enum { YAML_FILE_MAX = 8 * 1024 * 1024, YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 1000 * 1000 };

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };
enum yaml_style { YAML_PLAIN, YAML_SINGLE_QUOTED, YAML_DOUBLE_QUOTED, YAML_LITERAL, YAML_FOLDED };

struct yaml_node {
    enum yaml_kind kind;
    enum yaml_style style; /* scalars */
    bool quoted;           /* a scalar in quotes or a block: never null, number or bool */
    bool repeated;         /* a key that stands in its mapping before; reported */
    const char *file;
    int line, column;  /* from 1, where the text begins (after an opening quote; a block's first line) */
    int block_indent;  /* columns before each line of a | or > block; 0 otherwise */
    struct str text;   /* scalar: the value; NUL follows it */
    struct str source; /* scalar: the same as written in the file, without quotes and a block's header line */
    size_t count;      /* items of a sequence, pairs of a mapping */
    struct yaml_node **items; /* sequence items; mapping values */
    struct yaml_node **keys;  /* mapping keys (scalars), in file order */
};

/* NULL after a finding was added to diags (cannot open, too large, not YAML, not UTF-8, an anchor, an alias
 * or a tag). An empty file is an empty mapping. Duplicate keys are findings too, but the tree is given
 * (yaml_get finds the first), so that one run reports everything. path is used in messages as given. */
struct yaml_node *yaml_read_file(const char *path, struct arena *arena, struct diags *diags);
/* The bytes of such a file, for a caller that hashes what it reads; out has a limit above YAML_FILE_MAX and is
 * emptied first. False after a finding. */
bool yaml_read_bytes(const char *path, struct buf *out, struct diags *diags);
/* The tree from memory; name is used in messages. */
struct yaml_node *yaml_read(const char *name, struct str text, struct arena *arena, struct diags *diags);

/* Adds a finding at the node. */
void yaml_diag(struct diags *diags, enum diag_severity severity, const struct yaml_node *at,
               const char *format, ...) PRINTF_LIKE(4, 5);
/* Adds a finding at a byte offset inside the scalar's text (an expression's column): exact for every style,
 * escapes and folded lines included, as long as lines end in LF, CRLF or CR. */
void yaml_diag_at(struct diags *diags, enum diag_severity severity, const struct yaml_node *scalar,
                  size_t offset, const char *text);

/* The value of a key of a mapping, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
/* Where the key itself stands, or NULL. */
const struct yaml_node *yaml_key(const struct yaml_node *mapping, const char *key);

#endif
