/* Runs a fuzz target, which the test includes before, over a corpus, so that what fuzzing found once stays found without clang.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_FUZZ_CORPUS_H
#define TACT_TESTS_FUZZ_CORPUS_H
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many files the folder has; -1 when one made the target fail. */
static inline int corpus_replay(const char *folder)
{
    DIR *dir = opendir(folder);
    ASSERT(dir != NULL);
    int files = 0;
    for (struct dirent *entry; files >= 0 && (entry = readdir(dir));) {
        char path[512];
        static uint8_t bytes[1 << 20];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *in = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!in)
            continue;
        size_t n = fread(bytes, 1, sizeof bytes, in);
        fclose(in);
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees reads past the end */
        ASSERT(exact != NULL);
        memcpy(exact, bytes, n);
        files = LLVMFuzzerTestOneInput(exact, n) ? -1 : files + 1;
        free(exact);
    }
    closedir(dir);
    return files;
}

#endif
