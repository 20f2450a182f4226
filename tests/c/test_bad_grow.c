/* Insertions, removals and refits that cannot be: refused, and the tree answers as before. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "witness.h"

enum { N = WITNESS_N, D = WITNESS_D, M = WITNESS_M, MORE = 6 };

static const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
static const double not_finite[3] = {NAN, INFINITY, -INFINITY};
static const char *const printed[3] = {"NaN", "inf", "-inf"};

/* Trees of inducing points and of the caller's V and p, and what can be inserted into either. */
static witness seen, own;
static double more[MORE * D], factor[N * M], residuals[N];

static rct_data rows(void) { return data_of(more, MORE, D); }

static rct_data own_rows(void) {
  rct_data data = rows();
  data.factor = rct_row_major(factor, MORE, M);
  data.residual_variances = rct_vector_of(residuals, MORE);
  return data;
}

/* What a refit of the tree with the caller's V needs. */
static rct_data model(void) {
  rct_data data = data_of(NULL, 0, 0);
  data.factor = rct_row_major(factor, N, M);
  data.residual_variances = rct_vector_of(residuals, N);
  return data;
}

static void check_insert(const witness *of, const rct_data *data, rct_status status, const char *words) {
  int64_t first = -5;
  CHECK_REFUSED(of, rct_insert_batch(of->tree, data, &first, NULL), status, words);
  CHECK(first == -5);
}

static void check_refit(const witness *of, const rct_data *data, rct_status status, const char *words) {
  CHECK_REFUSED(of, rct_refit(of->tree, &of->given.options, data, NULL), status, words);
}

static void check_remove(rct_index_vector ids, rct_status status, const char *words) {
  CHECK_REFUSED(&seen, rct_remove_batch(seen.tree, ids, NULL), status, words);
}

static void null_pointers(void) {
  const rct_data data = rows();
  const rct_options *options = &seen.given.options;
  const rct_index_vector ids = rct_index_vector_of(seen.ids, 3);
  int64_t first = -5;
  CHECK_STATUS(rct_insert_batch(NULL, &data, &first, NULL), invalid, "tree|NULL");
  CHECK_STATUS(rct_remove_batch(NULL, ids, NULL), invalid, "tree|NULL");
  CHECK_STATUS(rct_refit(NULL, options, NULL, NULL), invalid, "tree|NULL");
  CHECK_REFUSED(&seen, rct_refit(seen.tree, NULL, NULL, NULL), invalid, "options|NULL");
  check_insert(&seen, NULL, invalid, "data|NULL");
  check_remove(no_indices(), invalid, "ids|NULL");
  check_remove(rct_index_vector_of(NULL, 3), invalid, "ids|NULL|3");
  rct_data bad = data;
  bad.coords = no_matrix();
  check_insert(&seen, &bad, invalid, "coords|NULL");
  bad.coords = rct_row_major(NULL, MORE, D);
  check_insert(&seen, &bad, invalid, "coords|NULL|6");
  bad = own_rows();
  bad.factor = rct_row_major(NULL, MORE, M);
  check_insert(&own, &bad, invalid, "factor|NULL|6");
  bad = own_rows();
  bad.residual_variances = rct_vector_of(NULL, MORE);
  check_insert(&own, &bad, invalid, "residual_variances|NULL|6");
  bad = model();
  bad.factor.data = NULL;
  check_refit(&own, &bad, invalid, "factor|NULL|20");
  bad = model();
  bad.residual_variances.data = NULL;
  check_refit(&own, &bad, invalid, "residual_variances|NULL|20");
  bad = data_of(NULL, 0, 0);
  bad.inducing = rct_row_major(NULL, 2, D);
  check_refit(&seen, &bad, invalid, "inducing|NULL|2");
  CHECK(first == -5);
}

static void structs_of_another_size(void) {
  rct_data data = rows(), nothing = data_of(NULL, 0, 0);
  rct_options options = seen.given.options;
  rct_control control = control_of(NULL, NULL, NULL);
  const rct_data sound = data;
  const rct_index_vector ids = rct_index_vector_of(seen.ids, 3);
  CHECK_STRUCT_SIZES(&seen, data, "data", rct_insert_batch(seen.tree, &data, NULL, NULL));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_insert_batch(seen.tree, &sound, NULL, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_remove_batch(seen.tree, ids, &control));
  CHECK_STRUCT_SIZES(&seen, options, "options", rct_refit(seen.tree, &options, NULL, NULL));
  CHECK_STRUCT_SIZES(&seen, nothing, "data", rct_refit(seen.tree, &options, &nothing, NULL));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_refit(seen.tree, &options, NULL, &control));
}

static void misaligned_pointers(void) {
  const rct_data data = rows();
  int64_t slots[2] = {-5, -5};
  int64_t *odd = (int64_t *)(void *)((char *)slots + 1);
  CHECK_REFUSED(&seen, rct_insert_batch(seen.tree, &data, odd, NULL), invalid, "first_id|aligned");
  rct_index_vector ids = rct_index_vector_of(seen.ids, 2);
  ids.data = (const int64_t *)(const void *)((const char *)seen.ids + 1);
  check_remove(ids, invalid, "ids|aligned");
  CHECK(slots[0] == -5 && slots[1] == -5);
}

static void trees_that_are_not_built(void) {
  const rct_status state = RCT_ERROR_INVALID_STATE;
  const rct_data data = rows();
  int64_t first = -5;
  CHECK_REFUSED(&seen, rct_insert_batch(seen.unbuilt, &data, &first, NULL), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_remove_batch(seen.unbuilt, rct_index_vector_of(seen.ids, 1), NULL), state, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_refit(seen.unbuilt, &seen.given.options, NULL, NULL), state, "tree|rct_build");
  CHECK(first == -5);
}

static void insertions_of_the_wrong_shape(void) {
  rct_data data = rows();
  data.coords = rct_row_major(more, 0, D + 1);
  check_insert(&seen, &data, invalid, "coords|3|2");
  data.coords = rct_row_major(more, MORE, 0);
  check_insert(&seen, &data, invalid, "coords|0");
  data.coords = rct_row_major(more, MORE, 1);
  check_insert(&seen, &data, invalid, "coords|1|2");
  data.coords = rct_row_major(more, 4, 3);
  check_insert(&seen, &data, invalid, "coords|3|2");
  data = own_rows();
  data.factor.rows = MORE - 1;
  check_insert(&own, &data, invalid, "factor|5|6");
  data = own_rows();
  data.factor.cols = M - 1;
  check_insert(&own, &data, invalid, "factor|3|4");
  data = own_rows();
  data.residual_variances.len = MORE - 1;
  check_insert(&own, &data, invalid, "residual_variances|5|6");
  data = rows();
  data.coords.rows = (size_t)1 << 33;
  data.coords.row_stride = 0;
  check_insert(&seen, &data, invalid, "coords|8589934592");
}

static void insertions_with_too_much_or_too_little(void) {
  rct_data data = rows();
  data.inducing = seen.given.data.inducing;
  check_insert(&seen, &data, invalid, "inducing|stay");
  check_insert(&own, &data, invalid, "inducing|stay");
  data = rows();
  data.factor = rct_row_major(factor, MORE, M);
  check_insert(&seen, &data, invalid, "factor");
  data = rows();
  data.residual_variances = rct_vector_of(residuals, MORE);
  check_insert(&seen, &data, invalid, "residual_variances");
  data = rows();
  check_insert(&own, &data, invalid, "factor|missing");
  data.factor = rct_row_major(factor, MORE, M);
  check_insert(&own, &data, invalid, "residual_variances|missing");
}

/* Puts NaN, both infinities at element `at` of `values`; the message says where. */
static void check_not_finite(const witness *of, const rct_data *data, double *values, size_t at, const char *where,
                             int refit) {
  const double right = values[at];
  char words[64];
  for (int t = 0; t < 3; t++) {
    check_context("%s = %s", where, printed[t]);
    snprintf(words, sizeof words, "%s|%s", where, printed[t]);
    values[at] = not_finite[t];
    if (refit) {
      check_refit(of, data, RCT_ERROR_NOT_FINITE, words);
    } else {
      check_insert(of, data, RCT_ERROR_NOT_FINITE, words);
    }
  }
  values[at] = right;
}

static void numbers_that_are_not_finite(void) {
  const rct_data data = rows(), all = own_rows(), whole = model();
  check_not_finite(&seen, &data, more, 0, "coords[0, 0]", 0);
  check_not_finite(&seen, &data, more, 4 * D + 1, "coords[4, 1]", 0);
  check_not_finite(&own, &all, more, MORE * D - 1, "coords[5, 1]", 0);
  check_not_finite(&own, &all, factor, 3 * M + 2, "factor[3, 2]", 0);
  check_not_finite(&own, &all, residuals, 5, "residual_variances[5]", 0);
  check_not_finite(&own, &whole, factor, 17 * M + 3, "factor[17, 3]", 1);
  check_not_finite(&own, &whole, residuals, 18, "residual_variances[18]", 1);
  rct_data z = data_of(NULL, 0, 0);
  z.inducing = rct_row_major(more, 3, D);
  check_not_finite(&seen, &z, more, 2 * D + 1, "inducing[2, 1]", 1);
}

static void residual_variances_that_are_not_positive(void) {
  const rct_data all = own_rows(), whole = model();
  const double right = residuals[3];
  residuals[3] = 0.0;
  check_insert(&own, &all, invalid, "residual_variances[3]|0|positive");
  check_refit(&own, &whole, invalid, "residual_variances[3]|0|positive");
  residuals[3] = -0.25;
  check_insert(&own, &all, invalid, "residual_variances[3]|-0.25|positive");
  check_refit(&own, &whole, invalid, "residual_variances[3]|-0.25|positive");
  residuals[3] = right;
}

static void ids_that_cannot_be_removed(void) {
  const int64_t twice[3] = {4, 7, 4}, beyond[2] = {0, N}, negative[2] = {3, -1}, huge[1] = {INT64_MAX};
  const int64_t least[1] = {INT64_MIN}, wrapped[1] = {((int64_t)1 << 32) + 3};
  check_remove(rct_index_vector_of(twice, 3), invalid, "ids|4|twice");
  check_remove(rct_index_vector_of(beyond, 2), invalid, "ids[1]|20|0 to 19");
  check_remove(rct_index_vector_of(negative, 2), invalid, "ids[1]|-1|0 to 19");
  check_remove(rct_index_vector_of(huge, 1), invalid, "ids[0]|9223372036854775807");
  check_remove(rct_index_vector_of(least, 1), invalid, "ids[0]|-9223372036854775808");
  check_remove(rct_index_vector_of(wrapped, 1), invalid, "ids[0]|4294967299");
  rct_index_vector repeated = rct_index_vector_of(seen.ids + 2, 3);
  repeated.stride = 0;
  check_remove(repeated, invalid, "ids|2|twice");
}

/* A tree of which some points were removed: they are there for no verb, and not even the other ids of a refused batch
 * go. */
static void ids_of_removed_points(void) {
  problem given = problem_new(N, D, M, 3);
  rct_tree *tree = problem_tree(&given);
  const int64_t gone[2] = {5, 2}, mixed[3] = {7, 2, 8};
  CHECK_OK(rct_remove_batch(tree, rct_index_vector_of(gone, 2), NULL));
  CHECK_STATUS(rct_remove_batch(tree, rct_index_vector_of(gone, 2), NULL), invalid, "ids[0]|5|removed");
  CHECK_STATUS(rct_remove_batch(tree, rct_index_vector_of(mixed, 3), NULL), invalid, "ids[1]|2|removed");
  double value[1] = {-5.0};
  const rct_index_vector a = rct_index_vector_of(mixed, 1), b = rct_index_vector_of(gone, 1);
  CHECK_STATUS(rct_distances(tree, a, b, rct_vector_out_of(value, 1)), invalid, "j[0]|5|removed");
  CHECK_STATUS(rct_correlations(tree, b, a, rct_vector_out_of(value, 1)), invalid, "i[0]|5|removed");
  answer room = answer_new(3, 4);
  rct_neighbors out = answer_out(&room);
  const rct_query query = query_of_ids(mixed, 3, 4);
  CHECK_STATUS(rct_query_batch(tree, &query, &out, NULL), invalid, "ids[1]|2|removed");
  rct_radius_result *result = NULL;
  CHECK_STATUS(rct_radius_batch(tree, &query, 0.5, &result, NULL), invalid, "ids[1]|2|removed");
  CHECK(answer_untouched(&room) && result == NULL && value[0] == -5.0);
  answer_free(&room);
  /* An order is one of the points that are there. */
  room = answer_new(N - 2, 4);
  out = answer_out(&room);
  int64_t order[N];
  for (int64_t i = 0; i < N; i++) order[i] = i;
  CHECK_STATUS(rct_vecchia_neighbors(tree, 4, rct_index_vector_of(order, N), &out, NULL), invalid, "order|20|18");
  CHECK_STATUS(rct_vecchia_neighbors(tree, 4, rct_index_vector_of(order, N - 2), &out, NULL), invalid,
               "order[2]|2|removed");
  CHECK(answer_untouched(&room));
  answer_free(&room);
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(tree, &stats));
  CHECK(stats.n == N - 2);
  CHECK_OK(rct_validate(tree, NULL));
  rct_free(tree);
  problem_free(&given);
}

static void refits_with_data_that_does_not_fit(void) {
  rct_data data = rows();
  check_refit(&seen, &data, invalid, "coords|given|refit");
  data = seen.given.data;
  check_refit(&seen, &data, invalid, "coords|given|refit");
  data = data_of(NULL, 0, 0);
  data.inducing = rct_row_major(more, 3, 1);
  check_refit(&seen, &data, invalid, "inducing|1|2");
  data = model();
  data.factor.rows = N - 1;
  check_refit(&own, &data, invalid, "factor|19|20");
  data = model();
  data.residual_variances.len = N - 1;
  check_refit(&own, &data, invalid, "residual_variances|19|20");
  data = model();
  data.inducing = seen.given.data.inducing;
  check_refit(&own, &data, invalid, "both|inducing|factor");
  data = data_of(NULL, 0, 0);
  data.residual_variances = rct_vector_of(residuals, N);
  check_refit(&seen, &data, invalid, "residual_variances|without|factor");
  check_refit(&own, NULL, invalid, "factor|missing|caller");
  data = data_of(NULL, 0, 0);
  check_refit(&own, &data, invalid, "factor|missing|caller");
}

static void refits_with_options_that_cannot_be(void) {
  rct_options options = seen.given.options;
  options.metric = RCT_METRIC_EUCLIDEAN;
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), invalid, "metric|Euclidean|Residual");
  options.metric = 9;
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), invalid, "metric|9");
  options = seen.given.options;
  options.lengthscale = 0.0;
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), invalid, "lengthscale|not given");
  options.lengthscale = NAN;
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), RCT_ERROR_NOT_FINITE, "lengthscale|NaN");
  options = seen.given.options;
  options.variance = -1.0;
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), invalid, "variance|-1");
  options = seen.given.options;
  options.kernel = RCT_KERNEL_CUSTOM;
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), invalid, "covariance|NULL");
  options = seen.given.options;
  const double three[3] = {0.1, 0.2, 0.3};
  options.lengthscales = rct_vector_of(three, 3);
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), invalid, "lengthscales|3|2");
  /* Two inducing points that are the same, without jitter. */
  options = seen.given.options;
  options.jitter = 0.0;
  rct_data data = data_of(NULL, 0, 0);
  const double same[2 * D] = {0.2, 0.3, 0.2, 0.3};
  data.inducing = rct_row_major(same, 2, D);
  CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, &data, NULL), RCT_ERROR_NOT_POSITIVE_DEFINITE, "inducing|jitter");
}

/* All the refusals above went to these trees; now they change. */
static void refused_trees_live_on(void) {
  const rct_data data = rows(), all = own_rows();
  int64_t first = -5;
  CHECK_OK(rct_insert_batch(seen.tree, &data, &first, NULL));
  CHECK(first == N);
  CHECK_OK(rct_insert_batch(own.tree, &all, &first, NULL));
  CHECK(first == N);
  oracle truth = problem_oracle_with(&seen.given, more, MORE);
  int64_t *ids = count_up(N + MORE);
  const rct_query query = query_of_ids(ids, N + MORE, 5);
  for (int t = 0; t < 2; t++) {
    answer found = ask(t == 0 ? seen.tree : own.tree, &query);
    check_answer(&truth, N + MORE, &query, &found);
    CHECK_OK(rct_validate(t == 0 ? seen.tree : own.tree, NULL));
    answer_free(&found);
  }
  free(ids);
  oracle_free(&truth);
}

int main(void) {
  seen = witness_new(WITNESS_INDUCING);
  own = witness_new(WITNESS_FACTOR_AND_RESIDUALS);
  double *random = uniform_array(MORE * D, 5);
  memcpy(more, random, sizeof more);
  free(random);
  /* V and p of the points of the insertion in the first rows. */
  oracle truth = problem_oracle_with(&seen.given, more, MORE);
  for (size_t i = 0; i < N; i++) {
    const size_t row = i < MORE ? N + i : i;
    memcpy(factor + i * M, truth.factor + row * M, M * sizeof *factor);
    residuals[i] = truth.residuals[row];
  }
  oracle_free(&truth);
  RUN(null_pointers);
  RUN(structs_of_another_size);
  RUN(misaligned_pointers);
  RUN(trees_that_are_not_built);
  RUN(insertions_of_the_wrong_shape);
  RUN(insertions_with_too_much_or_too_little);
  RUN(numbers_that_are_not_finite);
  RUN(residual_variances_that_are_not_positive);
  RUN(ids_that_cannot_be_removed);
  RUN(ids_of_removed_points);
  RUN(refits_with_data_that_does_not_fit);
  RUN(refits_with_options_that_cannot_be);
  RUN(refused_trees_live_on);
  witness_free(&seen);
  witness_free(&own);
  return check_report();
}
