/* Folders on disk.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_FOLDER_H
#define TACT_BASE_FOLDER_H
#include "base/error.h"

/* Makes a folder, and those above it that are not there (0755). ERR_INVALID for an empty or overlong path, else ERR_IO, naming the
 * part that could not be made. What was made before stays. */
int folder_make(const char *path, struct error *e) MUST_CHECK;

#endif
