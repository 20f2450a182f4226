/* Sizes beyond all memory. A view with strides of 0 makes any size of one number, so these are sizes a caller can
 * really ask for: the answer is a status, not a crash, and no gigabytes on the way to it. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "witness.h"

enum { N = WITNESS_N, D = WITNESS_D, M = WITNESS_M, K = WITNESS_K };

/* 2^45 doubles are 256 TiB: more than an address space of 47 bits holds. */
static const size_t HUGE_COUNT = (size_t)1 << 45;

static const double one = 1.0;
static const int64_t zero = 0;

/* rows x cols times the number 1. */
static rct_matrix ones(size_t rows, size_t cols) {
  rct_matrix view = rct_row_major(&one, rows, cols);
  view.row_stride = view.col_stride = 0;
  return view;
}

static void (*in_the_child)(void);

/* A child process with a little memory to spare runs the test: a library that fills all memory fails alone. */
static void run_in_a_child(void) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const int failures = check_failures();
#ifndef RCT_VALGRIND /* which needs the address space for itself */
    const struct rlimit limit = {(rlim_t)2 << 30, (rlim_t)2 << 30};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
#endif
    alarm(300);
    in_the_child();
    check_exit_child(failures);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) printf("    killed by signal %d\n", WTERMSIG(status));
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define RUN_IN_A_CHILD(test) (in_the_child = (test), check_run(run_in_a_child, #test))

/* A tree of the witness that is still to be built, and stays so. */
static void check_build_refused(const rct_data *data, rct_status status, const char *words) {
  witness seen = witness_new(WITNESS_INDUCING);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, data, NULL), status, words);
  CHECK_OK(rct_build(seen.unbuilt, &seen.given.data, NULL));
  witness_free(&seen);
}

static void products_that_overflow(void) {
  const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
  witness seen = witness_new(WITNESS_INDUCING);
  const size_t rows[4] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 62, (size_t)1 << 32};
  const size_t cols[4] = {1, 3, 4, (size_t)1 << 32};
  for (int t = 0; t < 4; t++) {
    check_context("%lu x %lu", (unsigned long)rows[t], (unsigned long)cols[t]);
    rct_data data = seen.given.data;
    data.coords = ones(rows[t], cols[t]);
    CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "coords|memory");
    data = seen.given.data;
    data.inducing = ones(rows[t], cols[t]);
    CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "inducing|memory");
    data.inducing = no_matrix();
    data.factor = ones(rows[t], cols[t]);
    CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "factor|memory");
    data.factor = ones(N, SIZE_MAX / 8);
    CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "factor|memory");
    data.factor = rct_row_major(seen.given.coords, N, 1);
    data.residual_variances = rct_vector_of(&one, SIZE_MAX / 4);
    data.residual_variances.stride = 0;
    CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "residual_variances|memory");
    rct_query query = query_of_coords(NULL, 0, 0, K);
    query.coords = ones(rows[t], cols[t]);
    CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "coords|memory");
    query = seen.query;
    query.ids = rct_index_vector_of(&zero, SIZE_MAX / 4);
    query.ids.stride = 0;
    CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "ids|memory");
    /* q x k overflows. */
    query = seen.query;
    query.k = SIZE_MAX / 4;
    rct_neighbors out = seen.out;
    out.ids.cols = query.k;
    CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &out, NULL), invalid, "ids|memory");
    CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, query.k, no_indices(), &out, NULL), invalid, "ids|memory");
  }
  witness_free(&seen);
}

static void extents_that_overflow(void) {
  const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
  const ptrdiff_t strides[4] = {PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 8, -(PTRDIFF_MAX / 16)};
  witness seen = witness_new(WITNESS_INDUCING);
  for (int t = 0; t < 4; t++) {
    check_context("stride %ld", (long)strides[t]);
    rct_data data = seen.given.data;
    data.coords.row_stride = strides[t];
    CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "coords|memory");
    data = seen.given.data;
    data.inducing.row_stride = strides[t];
    CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "inducing|memory");
    rct_query query = seen.query;
    query.ids.stride = strides[t];
    CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "ids|memory");
    query = seen.query;
    query.id_limits = rct_index_vector_of(seen.ids, N);
    query.id_limits.stride = strides[t];
    CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "id_limits|memory");
    query = seen.query;
    query.max_distances = rct_vector_of(seen.given.coords, N);
    query.max_distances.stride = strides[t];
    CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "max_distances|memory");
    rct_index_vector order = seen.query.ids;
    order.stride = strides[t];
    CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, order, &seen.out, NULL), invalid, "order|memory");
  }
  witness_free(&seen);
}

static void too_many_points(void) {
  /* 2^41 and more rows of one number. */
  rct_data data = data_of(&one, 1, 1);
  data.coords = ones(HUGE_COUNT, D);
  check_build_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "coords has|rows");
  data.coords = ones((size_t)1 << 41, D);
  check_build_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "coords has|rows");
}

static void too_many_dimensions(void) {
  rct_data data = data_of(&one, 1, 1);
  data.coords = ones(3, HUGE_COUNT);
  check_build_refused(&data, RCT_ERROR_OUT_OF_MEMORY, "could not allocate");
}

static void too_many_columns_of_the_factor(void) {
  witness seen = witness_new(WITNESS_INDUCING);
  rct_data data = data_of(seen.given.coords, N, D);
  data.factor = ones(N, HUGE_COUNT);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), RCT_ERROR_OUT_OF_MEMORY, "could not allocate");
  witness_free(&seen);
}

static void too_many_lengthscales(void) {
  rct_options options;
  rct_tree *tree = NULL;
  CHECK_OK(rct_options_init(&options));
  options.lengthscales = rct_vector_of(&one, HUGE_COUNT);
  options.lengthscales.stride = 0;
  CHECK_STATUS(rct_create(&options, &tree), RCT_ERROR_OUT_OF_MEMORY, "could not allocate|lengthscales");
  CHECK(tree == NULL);
}

static void too_many_inducing_points(void) {
  witness seen = witness_new(WITNESS_INDUCING);
  rct_data data = seen.given.data;
  data.inducing = ones(HUGE_COUNT, D);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), RCT_ERROR_OUT_OF_MEMORY, "could not allocate");
  /* Few enough to hold, but not their covariance: 2^23 squared. */
  data.inducing = ones((size_t)1 << 23, D);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), RCT_ERROR_OUT_OF_MEMORY, "could not allocate");
  witness_free(&seen);
}

static void too_many_queries(void) {
  witness seen = witness_new(WITNESS_INDUCING);
  rct_radius_result *result = NULL;
  rct_query query = query_of_ids(&zero, HUGE_COUNT, K);
  query.ids.stride = 0;
  CHECK_REFUSED(&seen, rct_radius_batch(seen.tree, &query, 0.5, &result, NULL), RCT_ERROR_OUT_OF_MEMORY,
                "could not allocate");
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), RCT_ERROR_INVALID_ARGUMENT, "ids");
  query = query_of_coords(&one, 1, D, K);
  query.coords = ones(HUGE_COUNT, D);
  CHECK_REFUSED(&seen, rct_radius_batch(seen.tree, &query, 0.5, &result, NULL), RCT_ERROR_OUT_OF_MEMORY,
                "could not allocate");
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), RCT_ERROR_INVALID_ARGUMENT, "ids");
  CHECK(result == NULL);
  witness_free(&seen);
}

static void too_many_points_to_choose_from(void) {
  /* Not even ids of 32 bits for them: which of the two is said does not matter. */
  double inducing[M * D] = {-5.0};
  const rct_matrix_out out = rct_row_major_out(inducing, M, D);
  for (int32_t method = RCT_INDUCING_KMEANS_PLUS_PLUS; method <= RCT_INDUCING_RANDOM; method++) {
    const rct_status status = rct_select_inducing(ones(HUGE_COUNT, D), M, method, 1, out, NULL);
    CHECK(status == RCT_ERROR_OUT_OF_MEMORY || status == RCT_ERROR_INVALID_ARGUMENT);
    CHECK(rct_last_error()[0] != '\0' && inducing[0] == -5.0);
  }
}

int main(void) {
  RUN(products_that_overflow);
  RUN(extents_that_overflow);
  RUN_IN_A_CHILD(too_many_points);
  RUN_IN_A_CHILD(too_many_dimensions);
  RUN_IN_A_CHILD(too_many_columns_of_the_factor);
  RUN_IN_A_CHILD(too_many_lengthscales);
  RUN_IN_A_CHILD(too_many_inducing_points);
  RUN_IN_A_CHILD(too_many_queries);
  RUN_IN_A_CHILD(too_many_points_to_choose_from);
  return check_report();
}
