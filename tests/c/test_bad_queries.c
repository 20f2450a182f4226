/* Questions that a tree cannot answer: refused with the culprit's name, and the tree answers the next one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "witness.h"

enum { N = WITNESS_N, D = WITNESS_D, M = WITNESS_M, K = WITNESS_K };

static witness seen;
static double *more, *factor, *residuals; /* N new points, and V and p of them */

static const double not_finite[3] = {NAN, INFINITY, -INFINITY};
static const char *const printed[3] = {"NaN", "inf", "-inf"};

/* rct_query_batch refuses the query, and so does rct_radius_batch unless it is about k or bounds. */
static void check_refused(const rct_query *query, rct_status status, const char *words) {
  CHECK_REFUSED(&seen, rct_query_batch(seen.tree, query, &seen.out, NULL), status, words);
  if (query->k == 0 || query->max_distances.data != NULL) return;
  rct_radius_result *result = NULL;
  CHECK_REFUSED(&seen, rct_radius_batch(seen.tree, query, 0.9, &result, NULL), status, words);
  CHECK(result == NULL);
}

static void invalid(const rct_query *query, const char *words) {
  check_refused(query, RCT_ERROR_INVALID_ARGUMENT, words);
}

static void k_of_0(void) {
  rct_query query = seen.query;
  query.k = 0;
  invalid(&query, "k|0");
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, 0, no_indices(), &seen.out, NULL), RCT_ERROR_INVALID_ARGUMENT,
                "k|0");
}

static void both_or_neither_of_ids_and_coords(void) {
  rct_query query = seen.query;
  query.coords = rct_row_major(more, N, D);
  invalid(&query, "both|ids|coords");
  query.coords = no_matrix();
  query.ids = no_indices();
  invalid(&query, "neither|ids|coords");
}

/* No queries are answered with nothing, but of the right dimensions. */
static void no_queries_of_other_dimensions(void) {
  rct_query query = query_of_coords(more, 0, D + 1, K);
  seen.out.ids.rows = seen.out.distances.rows = seen.out.counts.len = 0;
  invalid(&query, "coords|0 x 3|0 x 2");
  seen.out = answer_out(&seen.room);
  query = query_of_coords(more, N, 0, K);
  invalid(&query, "coords|20 x 0|20 x 2");
  query = query_of_coords(more, 0, D, 0);
  invalid(&query, "k|0");
}

static void ids_out_of_range(void) {
  int64_t wrong[N];
  const int64_t values[4] = {-1, N, INT64_MIN, INT64_MAX};
  const char *words[4] = {"ids[19]|-1", "ids[19]|20", "ids[19]|-9223372036854775808", "ids[19]|9223372036854775807"};
  for (int64_t t = 0; t < N; t++) wrong[t] = t;
  for (int t = 0; t < 4; t++) {
    wrong[N - 1] = values[t];
    const rct_query query = query_of_ids(wrong, N, K);
    invalid(&query, words[t]);
  }
  /* 2^32 is not 0. */
  wrong[N - 1] = 4294967296;
  const rct_query query = query_of_ids(wrong, N, K);
  invalid(&query, "ids[19]|4294967296");
}

static void wrong_id_limits(void) {
  int64_t limits[N + 1];
  for (int64_t t = 0; t <= N; t++) limits[t] = t;
  limits[6] = -3;
  rct_query query = seen.query;
  query.id_limits = rct_index_vector_of(limits, N);
  invalid(&query, "id_limits[6]|-3");
  query.id_limits = rct_index_vector_of(limits + 6, 1);
  invalid(&query, "id_limits[0]|-3");
  limits[6] = 6;
  query.id_limits = rct_index_vector_of(limits, N - 1);
  invalid(&query, "id_limits|19|20");
  query.id_limits = rct_index_vector_of(limits, N + 1);
  invalid(&query, "id_limits|21|20");
  query.id_limits = rct_index_vector_of(limits, 0);
  invalid(&query, "id_limits|0|20");
}

static void wrong_distance_bounds(void) {
  double bounds[N + 1];
  for (int t = 0; t <= N; t++) bounds[t] = 0.5;
  rct_query query = seen.query;
  query.max_distances = rct_vector_of(bounds, N);
  bounds[6] = 0.0;
  invalid(&query, "max_distances[6]|0|positive");
  bounds[6] = -0.5;
  invalid(&query, "max_distances[6]|-0.5|positive");
  bounds[6] = NAN;
  check_refused(&query, RCT_ERROR_NOT_FINITE, "max_distances[6]|NaN");
  bounds[6] = 0.5;
  query.max_distances = rct_vector_of(bounds, N - 1);
  invalid(&query, "max_distances|19|20");
  query.max_distances = rct_vector_of(bounds, N + 1);
  invalid(&query, "max_distances|21|20");
  query.max_distances = rct_vector_of(bounds, 0);
  invalid(&query, "max_distances|0|20");
}

static void unknown_traversals(void) {
  const int32_t unknown[4] = {-1, RCT_TRAVERSAL_BRUTE_FORCE + 1, INT32_MAX, INT32_MIN};
  char words[32];
  for (int t = 0; t < 4; t++) {
    rct_query query = seen.query;
    query.traversal = unknown[t];
    snprintf(words, sizeof words, "traversal|%d", (int)unknown[t]);
    invalid(&query, words);
  }
}

static void new_points_of_other_dimensions(void) {
  rct_query query = query_of_coords(more, N, 1, K);
  invalid(&query, "coords|1|2");
  query = query_of_coords(more, N / 2, D + 2, K);
  query.coords.row_stride = 2;
  seen.out.ids.rows = seen.out.distances.rows = seen.out.counts.len = N / 2;
  invalid(&query, "coords|4|2");
  seen.out = answer_out(&seen.room);
}

static void new_points_that_are_not_finite(void) {
  const rct_query query = query_of_coords(more, N, D, K);
  const double right = more[3 * D + 1];
  char words[64];
  for (int t = 0; t < 3; t++) {
    more[3 * D + 1] = not_finite[t];
    snprintf(words, sizeof words, "coords[3, 1]|%s", printed[t]);
    check_refused(&query, RCT_ERROR_NOT_FINITE, words);
  }
  more[3 * D + 1] = right;
}

static void factors_where_the_tree_has_its_own(void) {
  rct_query query = query_of_coords(more, N, D, K);
  query.factor = rct_row_major(factor, N, M);
  invalid(&query, "factor");
  query.residual_variances = rct_vector_of(residuals, N);
  invalid(&query, "factor");
  query.factor = no_matrix();
  invalid(&query, "residual_variances");
  /* Nor with ids, whose V and p are stored. */
  query = seen.query;
  query.factor = rct_row_major(factor, N, M);
  invalid(&query, "factor|ids");
  query = seen.query;
  query.residual_variances = rct_vector_of(residuals, N);
  invalid(&query, "residual_variances|ids");
}

static void factors_that_are_missing_or_wrong(void) {
  witness usual = seen;
  seen = witness_new(WITNESS_FACTOR);
  rct_query query = query_of_coords(more, N, D, K);
  invalid(&query, "factor|missing");
  query.factor = rct_row_major(factor, N, M - 1);
  invalid(&query, "factor|20 x 3|20 x 4");
  query.factor = rct_row_major(factor, N - 1, M);
  invalid(&query, "factor|19 x 4|20 x 4");
  query.factor = rct_row_major(factor, 0, M);
  invalid(&query, "factor|0 x 4|20 x 4");
  query.factor = rct_row_major(factor, N, M);
  query.residual_variances = rct_vector_of(residuals, N);
  invalid(&query, "residual_variances");
  query.residual_variances = no_vector();
  const double right = factor[9 * M + 2];
  char words[64];
  for (int t = 0; t < 3; t++) {
    factor[9 * M + 2] = not_finite[t];
    snprintf(words, sizeof words, "factor[9, 2]|%s", printed[t]);
    check_refused(&query, RCT_ERROR_NOT_FINITE, words);
  }
  factor[9 * M + 2] = right;
  answer found = ask(seen.tree, &query);
  answer_free(&found);
  witness_free(&seen);
  seen = usual;
}

static void residual_variances_that_are_missing_or_wrong(void) {
  witness usual = seen;
  seen = witness_new(WITNESS_FACTOR_AND_RESIDUALS);
  rct_query query = query_of_coords(more, N, D, K);
  query.factor = rct_row_major(factor, N, M);
  invalid(&query, "residual_variances|missing");
  query.residual_variances = rct_vector_of(residuals, N - 1);
  invalid(&query, "residual_variances|19|20");
  query.residual_variances = rct_vector_of(residuals, 0);
  invalid(&query, "residual_variances|0|20");
  query.residual_variances = rct_vector_of(residuals, N);
  const double right = residuals[4];
  residuals[4] = 0.0;
  invalid(&query, "residual_variances[4]|0|positive");
  residuals[4] = -0.25;
  invalid(&query, "residual_variances[4]|-0.25|positive");
  char words[64];
  for (int t = 0; t < 3; t++) {
    residuals[4] = not_finite[t];
    snprintf(words, sizeof words, "residual_variances[4]|%s", printed[t]);
    check_refused(&query, RCT_ERROR_NOT_FINITE, words);
  }
  residuals[4] = right;
  query.factor = no_matrix();
  invalid(&query, "factor|missing");
  witness_free(&seen);
  seen = usual;
}

static void wrong_orders(void) {
  const rct_status status = RCT_ERROR_INVALID_ARGUMENT;
  int64_t order[N + 1];
  const rct_index_vector whole = rct_index_vector_of(order, N);
  for (int64_t t = 0; t <= N; t++) order[t] = t;
  order[5] = -1;
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, whole, &seen.out, NULL), status, "order[5]|-1");
  order[5] = N;
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, whole, &seen.out, NULL), status, "order[5]|20");
  order[5] = 4294967296 + 5;
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, whole, &seen.out, NULL), status, "order[5]|4294967301");
  order[5] = 3;
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, whole, &seen.out, NULL), status, "order[5]|3|permutation");
  order[5] = 5;
  rct_index_vector part = rct_index_vector_of(order, N - 1);
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, part, &seen.out, NULL), status, "order|19|20");
  part.len = N + 1;
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, part, &seen.out, NULL), status, "order|21|20");
  part.len = 0;
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, part, &seen.out, NULL), status, "order|0");
  part = whole;
  part.stride = 0;
  CHECK_REFUSED(&seen, rct_vecchia_neighbors(seen.tree, K, part, &seen.out, NULL), status, "order[1]|0|permutation");
}

static void wrong_pairs(void) {
  const rct_status status = RCT_ERROR_INVALID_ARGUMENT;
  typedef rct_status (*pair_function)(const rct_tree *, rct_index_vector, rct_index_vector, rct_vector_out);
  const pair_function functions[2] = {rct_distances, rct_correlations};
  double values[N];
  for (int t = 0; t < N; t++) values[t] = -5.0;
  const rct_vector_out out = rct_vector_out_of(values, N);
  const rct_index_vector right = seen.query.ids;
  int64_t wrong[N];
  for (int64_t t = 0; t < N; t++) wrong[t] = t;
  const rct_index_vector with_wrong = rct_index_vector_of(wrong, N);
  for (int f = 0; f < 2; f++) {
    const pair_function call = functions[f];
    wrong[8] = -1;
    CHECK_REFUSED(&seen, call(seen.tree, with_wrong, right, out), status, "i[8]|-1");
    CHECK_REFUSED(&seen, call(seen.tree, right, with_wrong, out), status, "j[8]|-1");
    wrong[8] = N;
    CHECK_REFUSED(&seen, call(seen.tree, with_wrong, right, out), status, "i[8]|20");
    CHECK_REFUSED(&seen, call(seen.tree, right, with_wrong, out), status, "j[8]|20");
    wrong[8] = 8;
    CHECK_REFUSED(&seen, call(seen.tree, right, rct_index_vector_of(wrong, N - 1), out), status, "20|j|19");
    CHECK_REFUSED(&seen, call(seen.tree, rct_index_vector_of(wrong, 0), right, out), status, "i has 0|j has 20");
    CHECK_REFUSED(&seen, call(seen.tree, right, rct_index_vector_of(wrong, 0), out), status, "i has 20|j has 0");
  }
  for (int t = 0; t < N; t++) CHECK(values[t] == -5.0);
}

static void correlations_of_a_euclidean_tree(void) {
  witness usual = seen;
  seen = witness_new(WITNESS_EUCLIDEAN);
  double values[N];
  for (int t = 0; t < N; t++) values[t] = -5.0;
  CHECK_REFUSED(&seen, rct_correlations(seen.tree, seen.query.ids, seen.query.ids, rct_vector_out_of(values, N)),
                RCT_ERROR_UNSUPPORTED, "Euclidean");
  for (int t = 0; t < N; t++) CHECK(values[t] == -5.0);
  witness_free(&seen);
  seen = usual;
}

static void wrong_radii(void) {
  const double wrong[3] = {0.0, -0.5, NAN}, bound = 0.5;
  const char *words[3] = {"radius|0|positive", "radius|-0.5|positive", "radius|NaN"};
  rct_radius_result *result = NULL;
  for (int t = 0; t < 3; t++) {
    CHECK_REFUSED(&seen, rct_radius_batch(seen.tree, &seen.query, wrong[t], &result, NULL),
                  t < 2 ? RCT_ERROR_INVALID_ARGUMENT : RCT_ERROR_NOT_FINITE, words[t]);
  }
  rct_query query = seen.query;
  query.max_distances = rct_vector_of(&bound, 1);
  CHECK_REFUSED(&seen, rct_radius_batch(seen.tree, &query, 0.5, &result, NULL), RCT_ERROR_INVALID_ARGUMENT,
                "max_distances|radius");
  CHECK(result == NULL);
}

int main(void) {
  seen = witness_new(WITNESS_INDUCING);
  more = uniform_array(N * D, 1);
  factor = uniform_array(N * M, 2);
  residuals = uniform_array(N, 3);
  for (int t = 0; t < N; t++) residuals[t] += 0.5;
  RUN(k_of_0);
  RUN(both_or_neither_of_ids_and_coords);
  RUN(no_queries_of_other_dimensions);
  RUN(ids_out_of_range);
  RUN(wrong_id_limits);
  RUN(wrong_distance_bounds);
  RUN(unknown_traversals);
  RUN(new_points_of_other_dimensions);
  RUN(new_points_that_are_not_finite);
  RUN(factors_where_the_tree_has_its_own);
  RUN(factors_that_are_missing_or_wrong);
  RUN(residual_variances_that_are_missing_or_wrong);
  RUN(wrong_orders);
  RUN(wrong_pairs);
  RUN(correlations_of_a_euclidean_tree);
  RUN(wrong_radii);
  free(more);
  free(factor);
  free(residuals);
  witness_free(&seen);
  return check_report();
}
