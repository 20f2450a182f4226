/* Every verb under a limit of the address space, from nothing up to enough: it succeeds or says that memory could not
 * be had, and the tree answers afterwards as before. */
#define _POSIX_C_SOURCE 200809L
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 6000, D = 2, M = 40, K = 12, Q = 500, MORE = 3000 };

/* What the verbs work on. */
typedef struct state {
  problem given;
  rct_tree *tree; /* of N points */
  double *more;   /* MORE x D */
  int64_t *ids;   /* 0, ..., Q - 1 */
  const char *path;
  rct_options other; /* parameters to refit with */
} state;

/* Bytes of address space that verbs have. */
static rlim_t limit;

static void set_limit(rlim_t bytes) {
  struct rlimit now;
  getrlimit(RLIMIT_AS, &now);
  now.rlim_cur = bytes;
  setrlimit(RLIMIT_AS, &now);
}

static size_t address_space(void) {
  size_t pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%zu", &pages) == 1);
  if (file != NULL) fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Runs a call with so many more bytes than there are now. */
#define LIMITED(call) (set_limit((rlim_t)address_space() + limit), limited_status = (call), set_limit(RLIM_INFINITY), limited_status)
static rct_status limited_status;

/* Points of a tree. */
static size_t points_of(const rct_tree *tree) {
  rct_tree_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  return rct_stats(tree, &stats) == RCT_OK ? stats.n : 0;
}

typedef rct_status verb(state *);

static rct_status creates_and_builds(state *all) {
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&all->given.options, &tree));
  const rct_status status = LIMITED(rct_build(tree, &all->given.data, NULL));
  CHECK(points_of(tree) == (size_t)(status == RCT_OK ? N : 0));
  rct_free(tree);
  return status;
}

static rct_status queries(state *all) {
  answer room = answer_new(Q, K);
  const rct_query query = query_of_ids(all->ids, Q, K);
  const rct_neighbors out = answer_out(&room);
  const rct_status status = LIMITED(rct_query_batch(all->tree, &query, &out, NULL));
  if (status != RCT_OK) CHECK(answer_untouched(&room));
  answer_free(&room);
  return status;
}

static rct_status queries_coordinates(state *all) {
  answer room = answer_new(Q, K);
  const rct_query query = query_of_coords(all->more, Q, D, K);
  const rct_neighbors out = answer_out(&room);
  const rct_status status = LIMITED(rct_query_batch(all->tree, &query, &out, NULL));
  if (status != RCT_OK) CHECK(answer_untouched(&room));
  answer_free(&room);
  return status;
}

static rct_status does_the_vecchia_job(state *all) {
  answer room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  const rct_status status = LIMITED(rct_vecchia_neighbors(all->tree, K, no_indices(), &out, NULL));
  if (status != RCT_OK) CHECK(answer_untouched(&room));
  answer_free(&room);
  return status;
}

static rct_status asks_for_a_radius(state *all) {
  const rct_query query = query_of_ids(all->ids, Q, 1);
  rct_radius_result *result = NULL;
  const rct_status status = LIMITED(rct_radius_batch(all->tree, &query, 0.9, &result, NULL));
  CHECK((status == RCT_OK) == (result != NULL));
  rct_radius_result_free(result);
  return status;
}

/* A copy of the tree to change; NULL if something is wrong. */
static rct_tree *copy_of(const state *all) {
  rct_tree *tree = NULL;
  CHECK_OK(rct_load(all->path, NULL, &tree, NULL));
  return tree;
}

static rct_status inserts(state *all) {
  rct_tree *tree = copy_of(all);
  const rct_data data = data_of(all->more, MORE, D);
  const rct_status status = LIMITED(rct_insert_batch(tree, &data, NULL, NULL));
  CHECK(points_of(tree) == (size_t)(status == RCT_OK ? N + MORE : N));
  if (status != RCT_OK) CHECK_OK(rct_insert_batch(tree, &data, NULL, NULL));
  rct_free(tree);
  return status;
}

static rct_status removes(state *all) {
  rct_tree *tree = copy_of(all);
  int64_t *half = count_up(N / 2);
  const rct_status status = LIMITED(rct_remove_batch(tree, rct_index_vector_of(half, N / 2), NULL));
  CHECK(points_of(tree) == (size_t)(status == RCT_OK ? N - N / 2 : N));
  if (status != RCT_OK) CHECK_OK(rct_remove_batch(tree, rct_index_vector_of(half, N / 2), NULL));
  free(half);
  rct_free(tree);
  return status;
}

static rct_status refits(state *all) {
  rct_tree *tree = copy_of(all);
  const rct_status status = LIMITED(rct_refit(tree, &all->other, NULL, NULL));
  if (status != RCT_OK) CHECK_OK(rct_refit(tree, &all->other, NULL, NULL));
  rct_free(tree);
  return status;
}

static rct_status saves(state *all) {
  char path[80];
  snprintf(path, sizeof path, "%s.again", all->path);
  const rct_status status = LIMITED(rct_save(all->tree, path, NULL));
  remove(path);
  return status;
}

static rct_status saves_to_memory(state *all) {
  rct_buffer *buffer = NULL;
  const rct_status status = LIMITED(rct_save_to_buffer(all->tree, &buffer, NULL));
  CHECK((status == RCT_OK) == (buffer != NULL));
  rct_buffer_free(buffer);
  return status;
}

static rct_status loads(state *all) {
  rct_tree *tree = NULL;
  const rct_status status = LIMITED(rct_load(all->path, NULL, &tree, NULL));
  CHECK((status == RCT_OK) == (tree != NULL));
  rct_free(tree);
  return status;
}

static rct_status orders(state *all) {
  enum { MANY = 1000000 };
  int64_t *ids = count_up(MANY);
  double *coords = uniform_array(MANY, 73);
  (void)all;
  const rct_status status = LIMITED(
      rct_order(rct_row_major(coords, MANY, 1), RCT_ORDERING_HILBERT, 1, rct_index_vector_out_of(ids, MANY), NULL));
  free(coords);
  free(ids);
  return status;
}

static const struct {
  const char *name;
  verb *call;
} VERBS[] = {
    {"create and build", creates_and_builds},
    {"query by id", queries},
    {"query by coordinates", queries_coordinates},
    {"Vecchia", does_the_vecchia_job},
    {"radius", asks_for_a_radius},
    {"insert", inserts},
    {"remove", removes},
    {"refit", refits},
    {"save", saves},
    {"save to memory", saves_to_memory},
    {"load", loads},
    {"order", orders},
};

/* How often each verb has felt the limit. */
static int refusals[sizeof VERBS / sizeof VERBS[0]];

static void each_verb(uint32_t threads, int32_t kernel) {
  state all;
  all.given = problem_new(N, D, M, 71);
  all.given.options.threads = threads;
  all.given.options.kernel = kernel;
  all.given.options.lengthscale = 0.15;
  all.other = all.given.options;
  all.other.lengthscale = 0.2;
  all.more = uniform_array(MORE * D, 72);
  all.ids = count_up(Q);
  char path[64];
  snprintf(path, sizeof path, "/tmp/rct-test-memory-%ld", (long)getpid());
  all.path = path;
  all.tree = problem_tree(&all.given);
  CHECK_OK(rct_save(all.tree, all.path, NULL));
  const rct_query query = query_of_ids(all.ids, Q, K);
  answer expected = ask(all.tree, &query);
  for (size_t v = 0; v < sizeof VERBS / sizeof VERBS[0]; v++) {
    int refused = 0;
    rct_status status = RCT_ERROR_OUT_OF_MEMORY;
    for (double more = 4096; status != RCT_OK && more < 1e10; more *= 1.25) {
      check_context("%s with %.0f bytes more, threads %u, kernel %d", VERBS[v].name, more, threads, kernel);
      limit = (rlim_t)more;
      /* So that there is no memory of the process's own left. */
      malloc_trim(0);
      status = VERBS[v].call(&all);
      CHECK(status == RCT_OK || status == RCT_ERROR_OUT_OF_MEMORY);
      refused += status != RCT_OK;
    }
    CHECK(status == RCT_OK);
    refusals[v] += refused;
    answer found = ask(all.tree, &query);
    CHECK(answers_equal(&found, &expected));
    answer_free(&found);
  }
  remove(all.path);
  answer_free(&expected);
  rct_free(all.tree);
  free(all.ids);
  free(all.more);
  problem_free(&all.given);
}

static void one_thread(void) { each_verb(1, RCT_KERNEL_MATERN52); }
#ifndef __cplusplus
static void one_thread_and_a_rough_kernel(void) { each_verb(1, RCT_KERNEL_MATERN12); }
#endif
static void two_threads(void) { each_verb(2, RCT_KERNEL_MATERN52); }

static void every_verb_was_refused(void) {
  for (size_t v = 0; v < sizeof VERBS / sizeof VERBS[0]; v++) {
    check_context("%s", VERBS[v].name);
    CHECK(refusals[v] > 0);
  }
}

/* Valgrind needs an address space of its own. */
#ifdef RCT_VALGRIND
enum { HAS_LIMITS = 0 };
#else
enum { HAS_LIMITS = 1 };
#endif

int main(void) {
  if (HAS_LIMITS) {
    RUN(one_thread);
#ifndef __cplusplus
    RUN(one_thread_and_a_rough_kernel);
#endif
    RUN(two_threads);
    RUN(every_verb_was_refused);
  }
  return check_report();
}
