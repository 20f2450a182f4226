#define _POSIX_C_SOURCE 200809L
#include "scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static char folder[SCRATCH_PATH];

void scratch_open(void) {
  const char *base = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/rct-test-XXXXXX", base != NULL && base[0] != '\0' ? base : "/tmp");
  CHECK(mkdtemp(folder) != NULL);
}

const char *scratch_path(const char *name) {
  static char paths[4][SCRATCH_PATH + 64];
  static int turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%.60s", folder, name);
  return path;
}

/* Counts the files, and removes them if asked to. */
static int go_through(int remove_them) {
  int count = 0;
  DIR *open = opendir(folder);
  if (open == NULL) return -1;
  for (const struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    count++;
    if (remove_them) unlink(scratch_path(entry->d_name));
  }
  closedir(open);
  return count;
}

int scratch_files(void) { return go_through(0); }

void scratch_close(void) {
  go_through(1);
  CHECK(rmdir(folder) == 0);
}

uint8_t *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  *len = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = (uint8_t *)malloc(*len + 1);
  const size_t count = fread(bytes, 1, *len, file);
  fclose(file);
  if (count == *len) return bytes;
  free(bytes);
  return NULL;
}

void write_file(const char *path, const uint8_t *bytes, size_t len) {
  FILE *file = fopen(path, "wb");
  CHECK(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}
