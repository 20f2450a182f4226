/* All verbs, mixed, for so many rounds: every answer is checked against the oracle or a fresh tree, and what the process
 * holds (memory, files, threads) stays as it was. Arguments: rounds, seed. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "living.h"
#include "scratch.h"

/* Every so many rounds all trees are freed, and what the process still holds is looked at; that of the first quarter of
 * the run is the measure for the rest of it. */
enum { TREES = 4, EPOCH = 250, PATIENCE = 600 };

/* How much more resident memory there may be at the end of an epoch than at the end of any of the first quarter. */
static const long MORE_KIB = 512;

static uint64_t state;
static living trees[TREES];
static char paths[TREES][SCRATCH_PATH];
static long done[16], cancelled, found_damaged;

static size_t below(size_t bound) { return (size_t)(next_uniform(&state) * (double)bound); }

static rct_options random_options(void) {
  rct_options options = default_options();
  options.kernel = (int32_t)below(5);
  options.construction = (int32_t)below(2);
  options.ordering = (int32_t)below(2);
  options.traversal = (int32_t)below(4);
  options.threads = (uint32_t)(1 + below(2));
  options.variance = 0.5 + 2.0 * next_uniform(&state);
  options.lengthscale = 0.1 + 0.4 * next_uniform(&state);
  options.alpha = 0.5 + next_uniform(&state);
  options.jitter = below(2) == 0 ? 1e-6 : 1e-4;
  return options;
}

/* Mostly small, at times large enough for blocks and their index. */
static void make(living *now) {
  const size_t n = below(8) == 0 ? 1500 + below(500) : 1 + below(300);
  const rct_options options = random_options();
  *now = living_with(&options, (living_kind)below(LIVING_KINDS), n, n + n / 2 + 60, 1 + below(3), 1 + below(20),
                     (uint64_t)below(1000000));
}

static void build(living *now) {
  living_free(now);
  make(now);
}

static void ask_some(living *now) { living_check(now, 8, &state); }

static void ask_vecchia_of_all(living *now) {
  if (now->count <= 300) living_check_vecchia(now);
}

static void compare_with_a_fresh_tree(living *now) { living_check_fresh(now); }

static void validate(living *now) {
  if (now->count <= 300) CHECK_OK(rct_validate(now->tree, NULL));
}

static void insert(living *now) {
  const size_t count = 1 + below(30);
  if (now->next + count > now->pool.n) {
    build(now);
  } else {
    living_insert(now, count);
  }
}

/* `count` ids of points that are there, each once; to be freed. */
static int64_t *some_ids(const living *now, size_t count) {
  int64_t *ids = living_ids(now);
  for (size_t t = 0; t < count; t++) {
    const size_t other = t + below(now->count - t);
    const int64_t swapped = ids[t];
    ids[t] = ids[other];
    ids[other] = swapped;
  }
  return ids;
}

static void remove_some(living *now) {
  if (now->count == 0) return;
  const size_t most = now->count < 30 ? now->count : 30, count = below(20) == 0 ? now->count : 1 + below(most);
  int64_t *ids = some_ids(now, count);
  living_remove(now, ids, count);
  free(ids);
}

static void refit(living *now) {
  if (now->count == 0) return;
  rct_options options = random_options();
  options.metric = now->pool.options.metric;
  const size_t m = 1 + below(20);
  double *inducing = uniform_array(m * now->pool.d, (uint64_t)below(1000000));
  living_refit(now, &options, now->kind < LIVING_CORRELATION && below(2) == 0 ? inducing : NULL, m);
  free(inducing);
}

static rct_load_options load_options(int32_t threads, int32_t memory_map) {
  rct_load_options options;
  memset(&options, 0, sizeof options);
  CHECK_OK(rct_load_options_init(&options));
  options.threads = threads;
  options.memory_map = memory_map;
  return options;
}

static void save_and_load(living *now) {
  const char *path = paths[now - trees];
  const size_t way = below(3);
  const rct_load_options options = load_options((int32_t)below(3) - 1, way == 1);
  rct_tree *tree = NULL;
  if (way < 2) {
    CHECK_OK(rct_save(now->tree, path, NULL));
    CHECK_OK(rct_load(path, &options, &tree, NULL));
  } else {
    rct_buffer *buffer = NULL;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    CHECK_OK(rct_save_to_buffer(now->tree, &buffer, NULL));
    CHECK_OK(rct_buffer_view(buffer, &bytes, &len));
    CHECK_OK(rct_load_from_buffer(bytes, len, &options, &tree, NULL));
    rct_buffer_free(buffer);
  }
  if (tree != NULL) living_replace(now, tree);
}

/* A saved tree of which one bit is another, or the end is missing. */
static void load_damaged(living *now) {
  rct_buffer *buffer = NULL;
  const uint8_t *bytes = NULL;
  size_t len = 0;
  CHECK_OK(rct_save_to_buffer(now->tree, &buffer, NULL));
  CHECK_OK(rct_buffer_view(buffer, &bytes, &len));
  uint8_t *damaged = (uint8_t *)malloc(len);
  memcpy(damaged, bytes, len);
  damaged[below(len)] ^= (uint8_t)(1 << below(8));
  if (below(4) == 0) len = below(len);
  rct_tree *tree = NULL;
  const rct_status status = rct_load_from_buffer(damaged, len, NULL, &tree, NULL);
  found_damaged += status != RCT_OK;
  if (status == RCT_OK) {
    living_replace(now, tree); /* a gap between arrays */
  } else {
    CHECK(status == RCT_ERROR_CORRUPT && tree == NULL);
  }
  free(damaged);
  rct_buffer_free(buffer);
}

typedef struct stopper {
  size_t calls, at;
} stopper;

static int32_t stops(void *user) {
  stopper *own = (stopper *)user;
  return ++own->calls == own->at;
}

/* A verb that is stopped after a few questions, unless it has ended by then. */
static void cancel(living *now) {
  stopper own = {0, 1 + below(12)};
  const rct_control control = control_of(NULL, stops, &own);
  rct_status status = RCT_OK;
  const size_t verb = below(7);
  if (verb == 0) {
    const size_t left = now->pool.n - now->next, count = left < 40 ? left : 40;
    if (count == 0) return;
    const rct_data data = living_rows(now, now->next, count);
    status = rct_insert_batch(now->tree, &data, NULL, &control);
    if (status == RCT_OK) living_note_inserted(now, count);
  } else if (verb == 1) {
    const size_t count = now->count / 3;
    if (count == 0) return;
    int64_t *ids = some_ids(now, count);
    status = rct_remove_batch(now->tree, rct_index_vector_of(ids, count), &control);
    if (status == RCT_OK) living_note_removed(now, ids, count);
    free(ids);
  } else if (verb == 2) {
    if (now->count == 0) return;
    const rct_options before = now->pool.options;
    rct_options options = before;
    options.lengthscale *= 1.1;
    options.construction = (int32_t)below(2);
    double *factor, *residuals;
    const rct_data data = living_refit_data(now, &options, NULL, 0, &factor, &residuals);
    status = rct_refit(now->tree, &options, &data, &control);
    free(factor);
    free(residuals);
    if (status != RCT_OK) {
      living_refit_data(now, &before, NULL, 0, &factor, &residuals);
      free(factor);
      free(residuals);
    }
  } else if (verb == 3) {
    status = rct_save(now->tree, paths[now - trees], &control);
  } else if (verb == 4) {
    rct_buffer *buffer = NULL;
    status = rct_save_to_buffer(now->tree, &buffer, &control);
    CHECK((status == RCT_OK) == (buffer != NULL));
    rct_buffer_free(buffer);
  } else if (verb == 5) {
    rct_tree *tree = NULL;
    CHECK_OK(rct_save(now->tree, paths[now - trees], NULL));
    const rct_load_options options = load_options(-1, (int32_t)below(2));
    status = rct_load(paths[now - trees], &options, &tree, &control);
    CHECK((status == RCT_OK) == (tree != NULL));
    rct_free(tree);
  } else if (now->count > 0) {
    int64_t *ids = living_ids(now);
    const rct_query query = query_of_ids(ids, now->count, 3);
    answer room = answer_new(now->count, 3);
    const rct_neighbors out = answer_out(&room);
    status = rct_query_batch(now->tree, &query, &out, &control);
    CHECK(status == RCT_OK || answer_untouched(&room));
    answer_free(&room);
    free(ids);
  }
  CHECK(status == RCT_OK || (status == RCT_ERROR_CANCELLED && own.calls == own.at));
  cancelled += status != RCT_OK;
}

/* Calls that are refused; the checks of the next round see that they did nothing. */
static void give_bad_input(living *now) {
  const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
  const size_t d = now->pool.d;
  int64_t first = -5;
  double coords[8] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
  rct_data data = data_of(coords, 2, d + 1);
  rct_options options = now->pool.options;
  rct_tree *tree = NULL;
  const int64_t beyond[1] = {(int64_t)now->next};
  CHECK_STATUS(rct_insert_batch(now->tree, &data, &first, NULL), invalid, "coords");
  coords[d] = below(2) == 0 ? NAN : INFINITY;
  data = living_rows(now, 0, 2);
  data.coords = rct_row_major(coords, 2, d);
  CHECK_STATUS(rct_insert_batch(now->tree, &data, &first, NULL), RCT_ERROR_NOT_FINITE, "coords[1, 0]");
  CHECK_STATUS(rct_remove_batch(now->tree, rct_index_vector_of(beyond, 1), NULL), invalid, "ids[0]");
  if (now->count > 0) {
    int64_t *ids = living_ids(now), twice[3] = {ids[0], ids[now->count / 2], ids[0]};
    CHECK_STATUS(rct_remove_batch(now->tree, rct_index_vector_of(twice, 3), NULL), invalid, "ids|twice");
    const rct_query query = query_of_ids(ids, now->count, 0);
    answer room = answer_new(now->count, 1);
    const rct_neighbors out = answer_out(&room);
    CHECK_STATUS(rct_query_batch(now->tree, &query, &out, NULL), invalid, "k");
    CHECK(answer_untouched(&room));
    answer_free(&room);
    free(ids);
  }
  for (size_t i = 0; i < now->next; i++) {
    const int64_t gone[1] = {(int64_t)i};
    if (now->live[i]) continue;
    CHECK_STATUS(rct_remove_batch(now->tree, rct_index_vector_of(gone, 1), NULL), invalid, "ids[0]|removed");
    break;
  }
  CHECK_STATUS(rct_refit(now->tree, &options, &data, NULL), invalid, "coords");
  options.lengthscale = -1.0;
  CHECK_STATUS(rct_refit(now->tree, &options, NULL, NULL), invalid, "lengthscale|-1");
  CHECK_STATUS(rct_save(now->tree, "/nowhere/at/all.rct", NULL), RCT_ERROR_IO, "/nowhere");
  CHECK_STATUS(rct_load("/nowhere/at/all.rct", NULL, &tree, NULL), RCT_ERROR_IO, "/nowhere");
  CHECK_STATUS(rct_load_from_buffer((const uint8_t *)"tree", 4, NULL, &tree, NULL), RCT_ERROR_CORRUPT, "no saved tree");
  CHECK(first == -5 && tree == NULL);
}

/* What a round may do; most often it asks. */
static const struct {
  const char *name;
  void (*run)(living *);
  size_t weight;
} VERBS[] = {{"build", build, 2},
             {"query", ask_some, 12},
             {"vecchia", ask_vecchia_of_all, 3},
             {"fresh", compare_with_a_fresh_tree, 3},
             {"validate", validate, 2},
             {"insert", insert, 8},
             {"remove", remove_some, 7},
             {"refit", refit, 5},
             {"save, load", save_and_load, 5},
             {"damaged", load_damaged, 3},
             {"cancel", cancel, 7},
             {"bad input", give_bad_input, 3}};
enum { VERB_COUNT = sizeof VERBS / sizeof VERBS[0] };

static void one_round(long round) {
  size_t all = 0, verb = 0;
  for (size_t t = 0; t < VERB_COUNT; t++) all += VERBS[t].weight;
  for (size_t left = below(all); left >= VERBS[verb].weight; verb++) left -= VERBS[verb].weight;
  living *now = &trees[below(TREES)];
  check_context("round %ld, %s, kind %d, %d of %d points, d %d, m %d", round, VERBS[verb].name, (int)now->kind,
                (int)now->count, (int)now->next, (int)now->pool.d, (int)now->truth.m);
  VERBS[verb].run(now);
  done[verb]++;
  if (now->count <= 300 || below(4) == 0) living_check(now, 3, &state);
}

static long resident_kib(void) {
  long pages = 0, resident = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (statm == NULL || fscanf(statm, "%ld %ld", &pages, &resident) != 2) resident = -1;
  if (statm != NULL) fclose(statm);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* How many entries a folder has. */
static int entries(const char *folder) {
  int count = 0;
  DIR *open = opendir(folder);
  if (open == NULL) return -1;
  while (readdir(open) != NULL) count++;
  closedir(open);
  return count;
}

/* Threads that were told to end may take a moment. */
static int threads_left(int expected) {
  const struct timespec pause = {0, 10000000};
  for (int t = 0; t < 500 && entries("/proc/self/task") > expected; t++) nanosleep(&pause, NULL);
  return entries("/proc/self/task");
}

static long rounds;

static void soak(void) {
  const int open_files = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  long measure = 0, largest = 0;
  scratch_open();
  for (int t = 0; t < TREES; t++) {
    char name[16];
    snprintf(name, sizeof name, "%d.rct", t);
    strcpy(paths[t], scratch_path(name));
  }
  for (long round = 0; round < rounds;) {
    alarm(PATIENCE);
    for (int t = 0; t < TREES; t++) make(&trees[t]);
    for (int t = 0; t < EPOCH && round < rounds; t++) one_round(round++);
    for (int t = 0; t < TREES; t++) living_free(&trees[t]);
    check_context("after round %ld", round);
    CHECK(entries("/proc/self/fd") == open_files);
    CHECK(threads_left(threads) == threads);
    CHECK(scratch_files() <= TREES);
    malloc_trim(0);
    const long held = resident_kib();
    if (round <= rounds / 4 && held > measure) measure = held;
    if (round > rounds / 4 && held > largest) largest = held;
    if (check_failures() > 0) break;
  }
  scratch_close();
  for (size_t t = 0; t < VERB_COUNT; t++) printf("%s%s %ld", t == 0 ? "" : ", ", VERBS[t].name, done[t]);
  printf("; %ld cancelled, %ld found damaged\n", cancelled, found_damaged);
  printf("resident between epochs: %ld KiB at most in the first quarter, %ld KiB after\n", measure, largest);
  check_context("resident %ld KiB, then %ld KiB", measure, largest);
  CHECK(measure > 0 && largest <= measure + MORE_KIB);
  check_context("%s", "");
  for (size_t t = 0; t < VERB_COUNT; t++) CHECK(done[t] > 0);
  CHECK(cancelled > 0 && found_damaged > 0);
}

int main(int arguments, char **values) {
  if (arguments != 3) return 2;
  rounds = atol(values[1]);
  state = (uint64_t)strtoull(values[2], NULL, 10);
  printf("%ld rounds, seed %s\n", rounds, values[2]);
  RUN(soak);
  return check_report();
}
