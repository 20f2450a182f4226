/* NULL where there must be something, structs of another size, calls before a build: refused by every function. */
#include <stddef.h>
#include <string.h>

#include "witness.h"

static witness seen;

static void null_structs_to_init(void) {
  CHECK_STATUS(rct_options_init(NULL), RCT_ERROR_INVALID_ARGUMENT, "options|NULL");
  CHECK_STATUS(rct_data_init(NULL), RCT_ERROR_INVALID_ARGUMENT, "data|NULL");
  CHECK_STATUS(rct_query_init(NULL), RCT_ERROR_INVALID_ARGUMENT, "query|NULL");
  CHECK_STATUS(rct_control_init(NULL), RCT_ERROR_INVALID_ARGUMENT, "control|NULL");
}

static void null_is_freed_without_ado(void) {
  rct_free(NULL);
  rct_radius_result_free(NULL);
}

static void null_handles(void) {
  const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
  double values[WITNESS_N] = {0.0};
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  rct_radius_result *result = NULL;
  const rct_index_vector ids = seen.query.ids;
  const rct_vector_out out = rct_vector_out_of(values, WITNESS_N);
  CHECK_STATUS(rct_create(NULL, NULL), invalid, "tree|NULL");
  CHECK_STATUS(rct_build(NULL, &seen.given.data, NULL), invalid, "tree|NULL");
  CHECK_STATUS(rct_stats(NULL, &stats), invalid, "tree|NULL");
  CHECK_STATUS(rct_validate(NULL, NULL), invalid, "tree|NULL");
  CHECK_REFUSED(&seen, rct_query_batch(NULL, &seen.query, &seen.out, NULL), invalid, "tree|NULL");
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(NULL, WITNESS_K, no_indices(), &seen.out, NULL), invalid, "tree|NULL");
  CHECK_STATUS(rct_distances(NULL, ids, ids, out), invalid, "tree|NULL");
  CHECK_STATUS(rct_correlations(NULL, ids, ids, out), invalid, "tree|NULL");
  CHECK_STATUS(rct_radius_batch(NULL, &seen.query, 1.0, &result, NULL), invalid, "tree|NULL");
  CHECK(result == NULL && values[0] == 0.0);
}

static void null_arguments(void) {
  const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
  rct_radius_view view;
  memset(&view, 0, sizeof view);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, NULL, NULL), invalid, "data|NULL");
  CHECK_REFUSED(&seen, rct_stats(seen.tree, NULL), invalid, "stats|NULL");
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, NULL, &seen.out, NULL), invalid, "query|NULL");
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &seen.query, NULL, NULL), invalid, "out|NULL");
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, WITNESS_K, no_indices(), NULL, NULL), invalid, "out|NULL");
  rct_radius_result *result = NULL;
  CHECK_REFUSED(&seen, rct_radius_batch(seen.tree, NULL, 1.0, &result, NULL), invalid, "query|NULL");
  CHECK_REFUSED(&seen, rct_radius_batch(seen.tree, &seen.query, 1.0, NULL, NULL), invalid, "result|NULL");
  CHECK(result == NULL);
  CHECK_STATUS(rct_radius_result_view(NULL, &view), invalid, "result|NULL");
  CHECK(view.ids == NULL && view.queries == 0);
  CHECK_OK(rct_radius_batch(seen.tree, &seen.query, 1.0, &result, NULL));
  CHECK_STATUS(rct_radius_result_view(result, NULL), invalid, "view|NULL");
  rct_radius_result_free(result);
}

/* Arrays that are NULL: everywhere, or only NULL with a length. */
static void null_arrays(void) {
  const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
  rct_data data = seen.given.data;
  data.coords = no_matrix();
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "coords");
  data.coords = rct_row_major(NULL, WITNESS_N, WITNESS_D);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "coords|NULL|20");
  data = seen.given.data;
  data.inducing = rct_row_major(NULL, 4, WITNESS_D);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "inducing|NULL|4");
  data.inducing = no_matrix();
  data.factor = rct_row_major(NULL, WITNESS_N, 3);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "factor|NULL|20");
  data.factor = rct_row_major(seen.given.coords, WITNESS_N, 1);
  data.residual_variances = rct_vector_of(NULL, WITNESS_N);
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, &data, NULL), invalid, "residual_variances|NULL|20");

  rct_query query = seen.query;
  query.ids = rct_index_vector_of(NULL, WITNESS_N);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "ids|NULL|20");
  query = query_of_coords(NULL, WITNESS_N, WITNESS_D, WITNESS_K);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "coords|NULL|20");
  query = query_of_coords(seen.given.coords, WITNESS_N, WITNESS_D, WITNESS_K);
  query.factor = rct_row_major(NULL, WITNESS_N, WITNESS_M);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "factor|NULL|20");
  query.factor = no_matrix();
  query.residual_variances = rct_vector_of(NULL, WITNESS_N);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "residual_variances|NULL|20");
  query = seen.query;
  query.id_limits = rct_index_vector_of(NULL, WITNESS_N);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "id_limits|NULL|20");
  query = seen.query;
  query.max_distances = rct_vector_of(NULL, 1);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &query, &seen.out, NULL), invalid, "max_distances|NULL|1");

  const rct_index_vector ids = seen.query.ids, null = rct_index_vector_of(NULL, WITNESS_N);
  double values[WITNESS_N] = {0.0};
  const rct_vector_out out = rct_vector_out_of(values, WITNESS_N), nowhere = rct_vector_out_of(NULL, WITNESS_N);
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, WITNESS_K, null, &seen.out, NULL), invalid, "order|NULL|20");
  CHECK_REFUSED(&seen, rct_distances(seen.tree, no_indices(), ids, out), invalid, "i ");
  CHECK_REFUSED(&seen, rct_distances(seen.tree, null, ids, out), invalid, "i|NULL|20");
  CHECK_REFUSED(&seen, rct_distances(seen.tree, ids, no_indices(), out), invalid, "j ");
  CHECK_REFUSED(&seen, rct_distances(seen.tree, ids, null, out), invalid, "j|NULL|20");
  CHECK_REFUSED(&seen, rct_distances(seen.tree, ids, ids, nowhere), invalid, "distances|NULL");
  CHECK_REFUSED(&seen, rct_distances(seen.tree, ids, ids, rct_vector_out_of(NULL, 0)), invalid, "distances|NULL");
  CHECK_REFUSED(&seen, rct_correlations(seen.tree, no_indices(), ids, out), invalid, "i ");
  CHECK_REFUSED(&seen, rct_correlations(seen.tree, ids, null, out), invalid, "j|NULL|20");
  CHECK_REFUSED(&seen, rct_correlations(seen.tree, ids, ids, nowhere), invalid, "correlations|NULL");
  CHECK(values[0] == 0.0);

  /* Outputs: ids are always wanted; the others may be absent, but then have no rows. */
  rct_neighbors neighbors = seen.out;
  neighbors.ids = rct_index_row_major_out(NULL, 0, 0);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &seen.query, &neighbors, NULL), invalid, "ids|NULL");
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, WITNESS_K, no_indices(), &neighbors, NULL), invalid, "ids|NULL");
  neighbors.ids = rct_index_row_major_out(NULL, WITNESS_N, WITNESS_K);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &seen.query, &neighbors, NULL), invalid, "ids|NULL|20");
  neighbors = seen.out;
  neighbors.distances = rct_row_major_out(NULL, WITNESS_N, WITNESS_K);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &seen.query, &neighbors, NULL), invalid, "distances|NULL|20");
  neighbors = seen.out;
  neighbors.counts = rct_index_vector_out_of(NULL, WITNESS_N);
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, &seen.query, &neighbors, NULL), invalid, "counts|NULL|20");
}

static void structs_of_another_size(void) {
  rct_tree *other = seen.unbuilt;
  rct_radius_result *result = NULL;
  rct_options options = default_options();
  CHECK_STRUCT_SIZES(&seen, options, "options", rct_create(&options, &other));
  rct_data data = seen.given.data;
  CHECK_STRUCT_SIZES(&seen, data, "data", rct_build(seen.unbuilt, &data, NULL));
  rct_query query = seen.query;
  CHECK_STRUCT_SIZES(&seen, query, "query", rct_query_batch(seen.tree, &query, &seen.out, NULL));
  CHECK_STRUCT_SIZES(&seen, query, "query", rct_radius_batch(seen.tree, &query, 1.0, &result, NULL));
  CHECK(other == seen.unbuilt && result == NULL);

  rct_tree_stats stats, before;
  memset(&stats, 0x55, sizeof stats);
  CHECK_STRUCT_SIZES(&seen, stats, "stats", rct_stats(seen.tree, &stats));
  memset(&before, 0x55, sizeof before);
  before.struct_size = stats.struct_size;
  CHECK(memcmp(&stats, &before, sizeof stats) == 0);

  rct_control control = control_of(NULL, NULL, NULL);
  int64_t order[WITNESS_N] = {-5};
  double inducing[2 * WITNESS_D] = {-5.0};
  const rct_index_vector_out order_out = rct_index_vector_out_of(order, WITNESS_N);
  const rct_matrix_out inducing_out = rct_row_major_out(inducing, 2, WITNESS_D);
  const rct_matrix coords = seen.given.data.coords;
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_build(seen.unbuilt, &seen.given.data, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_validate(seen.tree, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_query_batch(seen.tree, &seen.query, &seen.out, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control",
                     rct_vecchia_neighbors(seen.tree, WITNESS_K, no_indices(), &seen.out, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_radius_batch(seen.tree, &seen.query, 1.0, &result, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_order(coords, RCT_ORDERING_HILBERT, 0, order_out, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control",
                     rct_select_inducing(coords, 2, RCT_INDUCING_RANDOM, 0, inducing_out, &control));
  CHECK(order[0] == -5 && inducing[0] == -5.0 && result == NULL);
}

/* Two words of memory that say a struct is no longer than they are: no more of it may be read. */
static void short_structs_are_not_read_beyond_their_size(void) {
  size_t words[2] = {2 * sizeof(size_t), 0};
  rct_tree *other = seen.unbuilt;
  CHECK_REFUSED(&seen, rct_create((const rct_options *)(const void *)words, &other), RCT_ERROR_INVALID_ARGUMENT,
                "options|struct_size|16");
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, (const rct_data *)(const void *)words, NULL),
                RCT_ERROR_INVALID_ARGUMENT, "data|struct_size|16");
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, (const rct_query *)(const void *)words, &seen.out, NULL),
                RCT_ERROR_INVALID_ARGUMENT, "query|struct_size|16");
  CHECK_REFUSED(&seen, rct_validate(seen.tree, (const rct_control *)(const void *)words), RCT_ERROR_INVALID_ARGUMENT,
                "control|struct_size|16");
  CHECK(other == seen.unbuilt);
}

static void calls_before_a_build(void) {
  const rct_status state = RCT_ERROR_INVALID_STATE;
  rct_tree_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  double values[WITNESS_N] = {-5.0};
  const rct_vector_out out = rct_vector_out_of(values, WITNESS_N);
  rct_radius_result *result = NULL;
  rct_tree *empty = seen.unbuilt;
  CHECK_REFUSED(&seen, rct_query_batch(empty, &seen.query, &seen.out, NULL), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(empty, WITNESS_K, no_indices(), &seen.out, NULL), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_radius_batch(empty, &seen.query, 1.0, &result, NULL), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_distances(empty, seen.query.ids, seen.query.ids, out), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_correlations(empty, seen.query.ids, seen.query.ids, out), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_validate(empty, NULL), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_stats(empty, &stats), state, "tree|rct_build");
  CHECK(result == NULL && values[0] == -5.0 && stats.n == 0);
}

static void a_second_build(void) {
  problem other = problem_new(7, 1, 0, 1);
  CHECK_REFUSED(&seen, rct_build(seen.tree, &other.data, NULL), RCT_ERROR_INVALID_STATE, "tree|already built");
  CHECK_REFUSED(&seen, rct_build(seen.tree, &seen.given.data, NULL), RCT_ERROR_INVALID_STATE, "tree|already built");
  problem_free(&other);
}

int main(void) {
  seen = witness_new(WITNESS_INDUCING);
  RUN(null_structs_to_init);
  RUN(null_is_freed_without_ado);
  RUN(null_handles);
  RUN(null_arguments);
  RUN(null_arrays);
  RUN(structs_of_another_size);
  RUN(short_structs_are_not_read_beyond_their_size);
  RUN(calls_before_a_build);
  RUN(a_second_build);
  witness_free(&seen);
  return check_report();
}
