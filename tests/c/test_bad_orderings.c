/* What rct_order and rct_select_inducing refuse to take. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "problem.h"

enum { N = 20, D = 2, M = 4 };

static double *coords;
static int64_t order[N];
static double inducing[M * D];

/* Both functions, by every ordering and method, refuse the points and write nothing. */
static void check_refused(rct_matrix points, rct_status status, const char *words) {
  for (int i = 0; i < N; i++) order[i] = -5;
  for (int i = 0; i < M * D; i++) inducing[i] = -5.0;
  for (int32_t ordering = RCT_ORDERING_NATURAL; ordering <= RCT_ORDERING_RANDOM; ordering++) {
    check_context("ordering %d", (int)ordering);
    CHECK_STATUS(rct_order(points, ordering, 1, rct_index_vector_out_of(order, N), NULL), status, words);
  }
  for (int32_t method = RCT_INDUCING_KMEANS_PLUS_PLUS; method <= RCT_INDUCING_RANDOM; method++) {
    check_context("method %d", (int)method);
    CHECK_STATUS(rct_select_inducing(points, M, method, 1, rct_row_major_out(inducing, M, D), NULL), status, words);
  }
  for (int i = 0; i < N; i++) CHECK(order[i] == -5);
  for (int i = 0; i < M * D; i++) CHECK(inducing[i] == -5.0);
}

static void no_points(void) {
  check_refused(no_matrix(), RCT_ERROR_INVALID_ARGUMENT, "coords|NULL");
  check_refused(rct_row_major(NULL, N, D), RCT_ERROR_INVALID_ARGUMENT, "coords|NULL|20");
  check_refused(rct_row_major(coords, N, 0), RCT_ERROR_INVALID_ARGUMENT, "coords|0");
}

static void points_that_are_not_finite(void) {
  const double wrong[3] = {NAN, INFINITY, -INFINITY};
  const char *words[3] = {"coords[3, 1]|NaN", "coords[3, 1]|inf", "coords[3, 1]|-inf"};
  const double right = coords[3 * D + 1];
  for (int t = 0; t < 3; t++) {
    coords[3 * D + 1] = wrong[t];
    check_refused(rct_row_major(coords, N, D), RCT_ERROR_NOT_FINITE, words[t]);
  }
  coords[3 * D + 1] = right;
}

static void points_that_do_not_fit_in_memory(void) {
  rct_matrix points = rct_row_major(coords, N, D);
  points.row_stride = PTRDIFF_MAX;
  check_refused(points, RCT_ERROR_INVALID_ARGUMENT, "coords|memory");
  points.row_stride = PTRDIFF_MIN;
  check_refused(points, RCT_ERROR_INVALID_ARGUMENT, "coords|memory");
  /* n times d overflows, though every element is the same one. */
  points.row_stride = points.col_stride = 0;
  points.rows = SIZE_MAX / 2;
  points.cols = 4;
  check_refused(points, RCT_ERROR_INVALID_ARGUMENT, "coords|memory");
}

static void unknown_orderings_and_methods(void) {
  const rct_matrix points = rct_row_major(coords, N, D);
  const int32_t orderings[4] = {-1, RCT_ORDERING_RANDOM + 1, INT32_MAX, INT32_MIN};
  const int32_t methods[4] = {-1, RCT_INDUCING_RANDOM + 1, INT32_MAX, INT32_MIN};
  char words[32];
  order[0] = -5;
  inducing[0] = -5.0;
  for (int t = 0; t < 4; t++) {
    snprintf(words, sizeof words, "ordering|%d", (int)orderings[t]);
    CHECK_STATUS(rct_order(points, orderings[t], 0, rct_index_vector_out_of(order, N), NULL),
                 RCT_ERROR_INVALID_ARGUMENT, words);
    snprintf(words, sizeof words, "method|%d", (int)methods[t]);
    CHECK_STATUS(rct_select_inducing(points, M, methods[t], 0, rct_row_major_out(inducing, M, D), NULL),
                 RCT_ERROR_INVALID_ARGUMENT, words);
  }
  CHECK(order[0] == -5 && inducing[0] == -5.0);
}

static void none_or_too_many_inducing_points(void) {
  const rct_matrix points = rct_row_major(coords, N, D);
  double many[(N + 1) * D];
  for (int i = 0; i < (N + 1) * D; i++) many[i] = -5.0;
  for (int32_t method = RCT_INDUCING_KMEANS_PLUS_PLUS; method <= RCT_INDUCING_RANDOM; method++) {
    CHECK_STATUS(rct_select_inducing(points, 0, method, 0, rct_row_major_out(many, 0, D), NULL),
                 RCT_ERROR_INVALID_ARGUMENT, "m |0");
    CHECK_STATUS(rct_select_inducing(rct_row_major(coords, 0, D), M, method, 0, rct_row_major_out(many, M, D), NULL),
                 RCT_ERROR_INVALID_ARGUMENT, "m |4|coords|0 rows");
    CHECK_STATUS(rct_select_inducing(points, N + 1, method, 0, rct_row_major_out(many, N + 1, D), NULL),
                 RCT_ERROR_INVALID_ARGUMENT, "m |21|20");
    rct_matrix_out huge = rct_row_major_out(many, SIZE_MAX / 8, D);
    CHECK_STATUS(rct_select_inducing(points, SIZE_MAX / 8, method, 0, huge, NULL), RCT_ERROR_INVALID_ARGUMENT, "");
  }
  for (int i = 0; i < (N + 1) * D; i++) CHECK(many[i] == -5.0);
}

int main(void) {
  coords = uniform_array(N * D, 1);
  RUN(no_points);
  RUN(points_that_are_not_finite);
  RUN(points_that_do_not_fit_in_memory);
  RUN(unknown_orderings_and_methods);
  RUN(none_or_too_many_inducing_points);
  free(coords);
  return check_report();
}
