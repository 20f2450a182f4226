/* Memory that cannot take an answer: another shape, elements that share memory, outputs that overlap each other. */
#include <stdlib.h>
#include <string.h>

#include "witness.h"

enum { N = WITNESS_N, D = WITNESS_D, M = WITNESS_M, K = WITNESS_K };

static witness seen;

/* Both calls that fill an rct_neighbors refuse `out`. */
static void check_refused(const rct_neighbors *out, const char *words) {
  const rct_status status = RCT_ERROR_INVALID_ARGUMENT;
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &seen.query, out, NULL), status, words);
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, no_indices(), out, NULL), status, words);
}

static void wrong_shapes(void) {
  const size_t rows[4] = {N - 1, N + 1, K, 0}, cols[4] = {K, K, N, K};
  const char *ids[4] = {"ids|19 x 3|20 x 3", "ids|21 x 3|20 x 3", "ids|3 x 20|20 x 3", "ids|0 x 3|20 x 3"};
  const char *distances[4] = {"distances|19 x 3|20 x 3", "distances|21 x 3|20 x 3", "distances|3 x 20|20 x 3",
                              "distances|0 x 3|20 x 3"};
  for (int t = 0; t < 4; t++) {
    rct_neighbors out = seen.out;
    out.ids.rows = rows[t];
    out.ids.cols = cols[t];
    check_refused(&out, ids[t]);
    out = seen.out;
    out.distances.rows = rows[t];
    out.distances.cols = cols[t];
    check_refused(&out, distances[t]);
  }
  rct_neighbors out = seen.out;
  out.ids.cols = K - 1;
  check_refused(&out, "ids|20 x 2|20 x 3");
  out = seen.out;
  out.distances.cols = K + 1;
  check_refused(&out, "distances|20 x 4|20 x 3");
  const size_t counts[3] = {N - 1, N + 1, 0};
  const char *words[3] = {"counts|19|20", "counts|21|20", "counts|0|20"};
  for (int t = 0; t < 3; t++) {
    out = seen.out;
    out.counts.len = counts[t];
    check_refused(&out, words[t]);
  }
}

static void strides_by_which_elements_share_memory(void) {
  const ptrdiff_t row_strides[6] = {0, K, 1, 2, -1, 0}, col_strides[6] = {1, 0, 1, -1, 1, 0};
  for (int t = 0; t < 6; t++) {
    check_context("strides %d, %d", (int)row_strides[t], (int)col_strides[t]);
    rct_neighbors out = seen.out;
    /* In the middle of the room, so that even a library that wrote would stay inside. */
    out.ids.data = seen.room.ids + N;
    out.ids.row_stride = row_strides[t];
    out.ids.col_stride = col_strides[t];
    check_refused(&out, "ids|strides|share memory");
    out = seen.out;
    out.distances.data = seen.room.distances + N;
    out.distances.row_stride = row_strides[t];
    out.distances.col_stride = col_strides[t];
    check_refused(&out, "distances|strides|share memory");
  }
  rct_neighbors out = seen.out;
  out.counts.stride = 0;
  check_refused(&out, "counts|share memory");
}

static void strides_that_leave_the_address_space(void) {
  const ptrdiff_t strides[3] = {PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 8};
  for (int t = 0; t < 3; t++) {
    rct_neighbors out = seen.out;
    out.ids.row_stride = strides[t];
    check_refused(&out, "ids|memory");
    out = seen.out;
    out.distances.col_stride = strides[t];
    check_refused(&out, "distances|memory");
    out = seen.out;
    out.counts.stride = strides[t];
    check_refused(&out, "counts|memory");
  }
}

static void outputs_that_overlap(void) {
  /* One block of memory, of elements of the same size, for two outputs: all of it, the ends, and inside out. */
  union element {
    int64_t id;
    double distance;
  } block[2 * N * K];
  union element *const before = (union element *)malloc(sizeof block);
  memset(block, 0x33, sizeof block);
  memcpy(before, block, sizeof block);
  rct_neighbors out = seen.out;
  out.ids.data = &block[0].id;
  const size_t offsets[3] = {0, 1, N * K - 1};
  for (int t = 0; t < 3; t++) {
    check_context("offset %d", (int)offsets[t]);
    out.distances.data = &block[offsets[t]].distance;
    check_refused(&out, "ids|distances|overlap");
  }
  out.distances.data = seen.room.distances;
  out.counts.data = &block[N * K - 1].id;
  check_refused(&out, "ids|counts|overlap");
  out = seen.out;
  out.distances.data = &block[0].distance;
  out.counts.data = &block[K].id;
  check_refused(&out, "distances|counts|overlap");
  /* Distances backwards from the end of the ids. */
  out = seen.out;
  out.ids.data = &block[0].id;
  out.distances.data = &block[N * K].distance;
  out.distances.row_stride = -K;
  out.distances.col_stride = -1;
  check_refused(&out, "ids|distances|overlap");
  CHECK(memcmp(block, before, sizeof block) == 0);
  free(before);
}

static void pair_outputs(void) {
  typedef rct_status (*pair_function)(const rct_tree *, rct_index_vector, rct_index_vector, rct_vector_out);
  const pair_function functions[2] = {rct_distances, rct_correlations};
  const char *too_few[2] = {"distances|19|20", "correlations|19|20"};
  const char *too_many[2] = {"distances|21|20", "correlations|21|20"};
  const char *shared[2] = {"distances|share memory", "correlations|share memory"};
  double values[N];
  for (int t = 0; t < N; t++) values[t] = -5.0;
  const rct_index_vector ids = seen.query.ids;
  for (int f = 0; f < 2; f++) {
    const pair_function call = functions[f];
    const rct_status status = RCT_ERROR_INVALID_ARGUMENT;
    CHECK_REFUSED(&seen, call(seen.tree, ids, ids, rct_vector_out_of(values, N - 1)), status, too_few[f]);
    CHECK_REFUSED(&seen, call(seen.tree, ids, ids, rct_vector_out_of(values, N + 1)), status, too_many[f]);
    rct_vector_out out = rct_vector_out_of(values, N);
    out.stride = 0;
    CHECK_REFUSED(&seen, call(seen.tree, ids, ids, out), status, shared[f]);
    out.stride = PTRDIFF_MAX;
    CHECK_REFUSED(&seen, call(seen.tree, ids, ids, out), status, "memory");
  }
  for (int t = 0; t < N; t++) CHECK(values[t] == -5.0);
}

static void orders(void) {
  const rct_status status = RCT_ERROR_INVALID_ARGUMENT;
  int64_t order[N];
  for (int t = 0; t < N; t++) order[t] = -5;
  const rct_matrix coords = seen.given.data.coords;
  for (int32_t ordering = RCT_ORDERING_NATURAL; ordering <= RCT_ORDERING_RANDOM; ordering++) {
    check_context("ordering %d", (int)ordering);
    rct_index_vector_out out = rct_index_vector_out_of(NULL, 0);
    CHECK_STATUS(rct_order(coords, ordering, 0, out, NULL), status, "order|NULL");
    out.len = N;
    CHECK_STATUS(rct_order(coords, ordering, 0, out, NULL), status, "order|NULL");
    out = rct_index_vector_out_of(order, N - 1);
    CHECK_STATUS(rct_order(coords, ordering, 0, out, NULL), status, "order|19|20");
    out.len = N + 1;
    CHECK_STATUS(rct_order(coords, ordering, 0, out, NULL), status, "order|21|20");
    out.len = N;
    out.stride = 0;
    CHECK_STATUS(rct_order(coords, ordering, 0, out, NULL), status, "order|share memory");
    out.stride = PTRDIFF_MIN;
    CHECK_STATUS(rct_order(coords, ordering, 0, out, NULL), status, "order|memory");
  }
  for (int t = 0; t < N; t++) CHECK(order[t] == -5);
}

static void inducing_points(void) {
  const rct_status status = RCT_ERROR_INVALID_ARGUMENT;
  double inducing[M * D];
  for (int t = 0; t < M * D; t++) inducing[t] = -5.0;
  const rct_matrix coords = seen.given.data.coords;
  for (int32_t method = RCT_INDUCING_KMEANS_PLUS_PLUS; method <= RCT_INDUCING_RANDOM; method++) {
    check_context("method %d", (int)method);
    rct_matrix_out out = rct_row_major_out(NULL, 0, 0);
    CHECK_STATUS(rct_select_inducing(coords, M, method, 0, out, NULL), status, "inducing|NULL");
    out = rct_row_major_out(NULL, M, D);
    CHECK_STATUS(rct_select_inducing(coords, M, method, 0, out, NULL), status, "inducing|NULL");
    out = rct_row_major_out(inducing, M - 1, D);
    CHECK_STATUS(rct_select_inducing(coords, M, method, 0, out, NULL), status, "inducing|3 x 2|4 x 2");
    out = rct_row_major_out(inducing, D, M);
    CHECK_STATUS(rct_select_inducing(coords, M, method, 0, out, NULL), status, "inducing|2 x 4|4 x 2");
    out = rct_row_major_out(inducing, M, D);
    out.row_stride = 1;
    CHECK_STATUS(rct_select_inducing(coords, M, method, 0, out, NULL), status, "inducing|share memory");
    out.row_stride = 0;
    CHECK_STATUS(rct_select_inducing(coords, M, method, 0, out, NULL), status, "inducing|share memory");
    out.row_stride = PTRDIFF_MAX;
    CHECK_STATUS(rct_select_inducing(coords, M, method, 0, out, NULL), status, "inducing|memory");
  }
  for (int t = 0; t < M * D; t++) CHECK(inducing[t] == -5.0);
}

int main(void) {
  seen = witness_new(WITNESS_INDUCING);
  RUN(wrong_shapes);
  RUN(strides_by_which_elements_share_memory);
  RUN(strides_that_leave_the_address_space);
  RUN(outputs_that_overlap);
  RUN(pair_outputs);
  RUN(orders);
  RUN(inducing_points);
  witness_free(&seen);
  return check_report();
}
