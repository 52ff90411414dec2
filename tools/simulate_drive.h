/* tact simulate --server ADDRESS, or --in-process: simulated people drive decisions (tools/drive.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_SIMULATE_DRIVE_H
#define TACT_TOOLS_SIMULATE_DRIVE_H
#include "tools/drive.h"
#include "tools/options.h"

struct simulate_drive {
    const char *policy; /* folder */
    const char *server; /* NULL: in this process */
    const char *model;  /* in this process: a bundle, or NULL */
    const char *out;    /* CSV, or NULL */
    bool json;
    struct drive_options options; /* all but policy and out */
};

/* Prints the summary: EXIT_OK; or tells what is wrong on stderr: EXIT_FAILED. */
int simulate_drive(struct simulate_drive *s, struct error *e) MUST_CHECK;

/* A file beside the wanted one, renamed when it is whole. Open gives NULL and *e; close returns rc, or an error of its
 * own; after an rc that is not 0 nothing is left. */
enum { SIMULATE_PATH_MAX = 4096 };
FILE *simulate_file_open(const char *path, char fresh[SIMULATE_PATH_MAX], struct error *e);
int simulate_file_close(FILE *f, const char *path, const char *fresh, int rc, struct error *e) MUST_CHECK;

#endif
