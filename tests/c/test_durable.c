/* What is saved is on the disk before it takes the old file's name, and where writing fails the old file stays. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "problem.h"
#include "scratch.h"

enum { N = 300, D = 2, M = 10 };

/* What the library asks to be brought to the disk. */
typedef struct synced {
  int folder;         /* a folder, not a file */
  ino_t file;         /* which */
  off_t size;         /* how long it is */
  ino_t at_that_time; /* the file that had the name meanwhile */
} synced;

static const char *path;
static synced calls[8];
static int count, failing;

/* The program's fsync comes before that of the C library. */
int fsync(int file) {
  struct stat itself, named;
  if (failing) {
    errno = EIO;
    return -1;
  }
  if (count < 8 && fstat(file, &itself) == 0) {
    calls[count].folder = S_ISDIR(itself.st_mode);
    calls[count].file = itself.st_ino;
    calls[count].size = itself.st_size;
    calls[count].at_that_time = stat(path, &named) == 0 ? named.st_ino : 0;
    count++;
  }
  return 0;
}

static ino_t inode(void) {
  struct stat named;
  return stat(path, &named) == 0 ? named.st_ino : 0;
}

static void the_file_is_on_the_disk_before_it_has_its_name(void) {
  problem given = problem_new(N, D, M, 1);
  rct_tree *tree = problem_tree(&given);
  for (int round = 0; round < 3; round++) {
    check_context("round %d", round);
    const ino_t before = inode();
    count = 0;
    CHECK_OK(rct_save(tree, path, NULL));
    struct stat after;
    CHECK(stat(path, &after) == 0 && after.st_ino != before && (before != 0) == (round > 0));
    /* The whole file while the old one had the name, then the folder with the new name. */
    CHECK(count == 2);
    CHECK(!calls[0].folder && calls[0].file == after.st_ino && calls[0].size == after.st_size);
    CHECK(calls[0].at_that_time == before);
    CHECK(calls[1].folder && calls[1].at_that_time == after.st_ino);
  }
  rct_free(tree);
  problem_free(&given);
}

/* The file at `path` is still the one with these bytes, and there is no other. */
static void check_kept(const uint8_t *bytes, size_t length) {
  size_t len = 0;
  uint8_t *kept = read_file(path, &len);
  CHECK(kept != NULL && len == length && memcmp(kept, bytes, len) == 0 && scratch_files() == 1);
  free(kept);
}

static void a_disk_that_fails_or_is_full(void) {
  problem small = problem_new(20, D, 0, 1), large = problem_new(N, D, M, 2);
  rct_tree *first = problem_tree(&small), *second = problem_tree(&large);
  size_t length = 0;
  CHECK_OK(rct_save(first, path, NULL));
  uint8_t *bytes = read_file(path, &length);
  failing = 1;
  CHECK_STATUS(rct_save(second, path, NULL), RCT_ERROR_IO, "cannot write|tree.rct");
  failing = 0;
  check_kept(bytes, length);
  /* Files may have so many bytes and no more: as on a full disk, writing fails in the middle. */
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit before, limit;
  CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rct_buffer *buffer = NULL;
  const uint8_t *all = NULL;
  size_t whole = 0;
  CHECK_OK(rct_save_to_buffer(second, &buffer, NULL));
  CHECK_OK(rct_buffer_view(buffer, &all, &whole));
  for (int part = 0; part < 8; part++) {
    check_context("part %d", part);
    limit = before;
    limit.rlim_cur = (rlim_t)(whole * (size_t)part / 8);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    const rct_status status = rct_save(second, path, NULL);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(status == RCT_ERROR_IO && strstr(rct_last_error(), "cannot write") != NULL);
    check_kept(bytes, length);
  }
  CHECK_OK(rct_save(second, path, NULL));
  check_kept(all, whole);
  free(bytes);
  rct_buffer_free(buffer);
  rct_free(first);
  rct_free(second);
  problem_free(&small);
  problem_free(&large);
}

int main(void) {
  scratch_open();
  char own[SCRATCH_PATH];
  strncpy(own, scratch_path("tree.rct"), sizeof own - 1);
  own[sizeof own - 1] = '\0';
  path = own;
  RUN(the_file_is_on_the_disk_before_it_has_its_name);
  RUN(a_disk_that_fails_or_is_full);
  scratch_close();
  return check_report();
}
