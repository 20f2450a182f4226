/* A folder for the files of a test. */
#ifndef RCT_TESTS_SCRATCH_H
#define RCT_TESTS_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

enum { SCRATCH_PATH = 512 };

/* Makes an empty folder. */
void scratch_open(void);

/* Removes it, with the files in it. */
void scratch_close(void);

/* The path of a file in it, in one of four places in turn. */
const char *scratch_path(const char *name);

/* How many files are in it. */
int scratch_files(void);

/* The bytes of a file, to be freed; NULL where there is none. */
uint8_t *read_file(const char *path, size_t *len);

/* Writes bytes to a file in place. */
void write_file(const char *path, const uint8_t *bytes, size_t len);

#endif
