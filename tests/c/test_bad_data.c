/* Data that no tree can be built from. After each refusal the tree is still unbuilt, and can be built. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "witness.h"

enum { N = WITNESS_N, D = WITNESS_D, M = WITNESS_M };

static witness seen;
static oracle truth;

static const double not_finite[3] = {NAN, INFINITY, -INFINITY};
static const char *const printed[3] = {"NaN", "inf", "-inf"};

/* `data` with the caller's factor, and residual variances, in place of inducing points. */
static rct_data with_factor(void) {
  rct_data data = seen.given.data;
  data.inducing = no_matrix();
  data.factor = rct_row_major(truth.factor, N, M);
  data.residual_variances = rct_vector_of(truth.residuals, N);
  return data;
}

static void check_refused(const rct_data *data, rct_status status, const char *words) {
  CHECK_REFUSED(&seen, rct_build(seen.unbuilt, data, NULL), status, words);
}

/* Puts NaN and both infinities at (i, j) of a row-major array of `data` that is `name`; the message says where. */
static void check_not_finite(const rct_data *data, double *values, size_t cols, size_t i, size_t j, const char *name) {
  double *element = values + i * cols + j;
  const double right = *element;
  char words[64];
  for (int t = 0; t < 3; t++) {
    check_context("%s[%d, %d] = %s", name, (int)i, (int)j, printed[t]);
    snprintf(words, sizeof words, "%s[%d, %d]|%s", name, (int)i, (int)j, printed[t]);
    *element = not_finite[t];
    check_refused(data, RCT_ERROR_NOT_FINITE, words);
  }
  *element = right;
}

static void coords_that_are_not_finite(void) {
  const rct_data data = seen.given.data;
  check_not_finite(&data, seen.given.coords, D, 0, 0, "coords");
  check_not_finite(&data, seen.given.coords, D, 3, 1, "coords");
  check_not_finite(&data, seen.given.coords, D, N - 1, D - 1, "coords");
  const rct_data own = with_factor();
  check_not_finite(&own, seen.given.coords, D, 7, 0, "coords");
}

static void the_place_is_that_of_the_view(void) {
  /* Rows backwards, columns swapped: memory element (3, 1) is row N - 4, column 0. */
  rct_data data = seen.given.data;
  data.coords.data = seen.given.coords + N * D - 1;
  data.coords.row_stride = -D;
  data.coords.col_stride = -1;
  const double right = seen.given.coords[3 * D + 1];
  seen.given.coords[3 * D + 1] = NAN;
  check_refused(&data, RCT_ERROR_NOT_FINITE, "coords[16, 0]|NaN");
  seen.given.coords[3 * D + 1] = right;
}

static void inducing_points_that_are_not_finite(void) {
  const rct_data data = seen.given.data;
  check_not_finite(&data, seen.given.inducing, D, 0, 1, "inducing");
  check_not_finite(&data, seen.given.inducing, D, M - 1, 0, "inducing");
}

static void factors_that_are_not_finite(void) {
  const rct_data data = with_factor();
  check_not_finite(&data, truth.factor, M, 0, 0, "factor");
  check_not_finite(&data, truth.factor, M, 9, 2, "factor");
}

static void residual_variances_that_are_not_positive(void) {
  const rct_data data = with_factor();
  const double right = truth.residuals[4];
  char words[64];
  for (int t = 0; t < 3; t++) {
    truth.residuals[4] = not_finite[t];
    snprintf(words, sizeof words, "residual_variances[4]|%s", printed[t]);
    check_refused(&data, RCT_ERROR_NOT_FINITE, words);
  }
  truth.residuals[4] = 0.0;
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "residual_variances[4]|0|positive");
  truth.residuals[4] = -0.25;
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "residual_variances[4]|-0.25|positive");
  truth.residuals[4] = right;
}

static void no_rows_or_no_columns(void) {
  rct_data data = seen.given.data;
  data.coords = rct_row_major(seen.given.coords, 0, D);
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "coords|0");
  data.coords = rct_row_major(seen.given.coords, N, 0);
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "coords|0");
  data.coords = rct_row_major(seen.given.coords, 0, 0);
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "coords|0");
}

static void shapes_that_do_not_fit(void) {
  rct_data data = seen.given.data;
  data.inducing = rct_row_major(seen.given.inducing, M, 1);
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "inducing|1|2");
  data.inducing = rct_row_major(seen.given.inducing, 2, 3);
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "inducing|3|2");
  data = with_factor();
  data.factor.rows = N - 1;
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "factor|19|20");
  data = with_factor();
  data.factor = rct_row_major(truth.factor, 0, M);
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "factor|0|20");
  data = with_factor();
  data.residual_variances.len = N - 1;
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "residual_variances|19|20");
  data.residual_variances.len = 0;
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "residual_variances|0|20");
}

static void arrays_that_exclude_each_other(void) {
  rct_data data = with_factor();
  data.inducing = seen.given.data.inducing;
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "both|inducing|factor");
  data = seen.given.data;
  data.residual_variances = rct_vector_of(truth.residuals, N);
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "residual_variances|without|factor");
  data.inducing = no_matrix();
  check_refused(&data, RCT_ERROR_INVALID_ARGUMENT, "residual_variances|without|factor");
}

static void only_the_residual_metric_takes_inducing_points(void) {
  for (int32_t metric = RCT_METRIC_CORRELATION; metric <= RCT_METRIC_EUCLIDEAN; metric++) {
    rct_options options = seen.given.options;
    options.metric = metric;
    rct_tree *tree = NULL;
    CHECK_OK(rct_create(&options, &tree));
    const rct_data own = with_factor();
    CHECK_STATUS(rct_build(tree, &seen.given.data, NULL), RCT_ERROR_INVALID_ARGUMENT, "inducing|metric");
    CHECK_STATUS(rct_build(tree, &own, NULL), RCT_ERROR_INVALID_ARGUMENT, "factor|metric");
    const rct_data plain = data_of(seen.given.coords, N, D);
    CHECK_OK(rct_build(tree, &plain, NULL));
    rct_free(tree);
  }
}

static void inducing_points_twice_the_same(void) {
  rct_options options = seen.given.options;
  options.jitter = 0.0;
  double inducing[3 * D] = {0.2, 0.3, 0.7, 0.1, 0.2, 0.3};
  rct_data data = seen.given.data;
  data.inducing = rct_row_major(inducing, 3, D);
  rct_tree *tree = NULL;
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_create(&options, &tree));
  CHECK_STATUS(rct_build(tree, &data, NULL), RCT_ERROR_NOT_POSITIVE_DEFINITE, "inducing|jitter");
  CHECK_STATUS(rct_stats(tree, &stats), RCT_ERROR_INVALID_STATE, "tree");
  data.inducing.row_stride = 0;
  CHECK_STATUS(rct_build(tree, &data, NULL), RCT_ERROR_NOT_POSITIVE_DEFINITE, "inducing|jitter");
  /* Different points, and the same tree builds. */
  data.inducing = rct_row_major(inducing, 2, D);
  CHECK_OK(rct_build(tree, &data, NULL));
  CHECK_OK(rct_validate(tree, NULL));
  rct_free(tree);
}

static void refused_trees_can_be_built(void) {
  /* All the refusals above went to this tree. */
  CHECK_OK(rct_build(seen.unbuilt, &seen.given.data, NULL));
  answer found = ask(seen.unbuilt, &seen.query);
  CHECK(answers_equal(&found, &seen.expected));
  answer_free(&found);
  CHECK_OK(rct_validate(seen.unbuilt, NULL));
}

int main(void) {
  seen = witness_new(WITNESS_INDUCING);
  truth = problem_oracle(&seen.given);
  RUN(coords_that_are_not_finite);
  RUN(the_place_is_that_of_the_view);
  RUN(inducing_points_that_are_not_finite);
  RUN(factors_that_are_not_finite);
  RUN(residual_variances_that_are_not_positive);
  RUN(no_rows_or_no_columns);
  RUN(shapes_that_do_not_fit);
  RUN(arrays_that_exclude_each_other);
  RUN(only_the_residual_metric_takes_inducing_points);
  RUN(inducing_points_twice_the_same);
  RUN(refused_trees_can_be_built);
  oracle_free(&truth);
  witness_free(&seen);
  return check_report();
}
