/* Valid problems at the edge of what there is: one point, equal points, no or as many inducing points as points. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { K = 9 };

/* Builds the tree, validates it, and checks neighbours, predecessors and stored points asked as new ones, by every
 * traversal. */
static void check_everything(const problem *given) {
  rct_tree *tree = problem_tree(given);
  if (tree == NULL) return;
  CHECK_OK(rct_validate(tree, NULL));
  int64_t *ids = count_up(given->n);
  oracle truth = problem_oracle(given), twice = problem_oracle_with(given, given->coords, given->n);
  for (int32_t traversal = RCT_TRAVERSAL_AUTO; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
    for (int exclude_self = 0; exclude_self < 2; exclude_self++) {
      rct_query query = query_of_ids(ids, given->n, K);
      query.traversal = traversal;
      query.exclude_self = exclude_self;
      answer found = ask(tree, &query);
      check_answer(&truth, given->n, &query, &found);
      answer_free(&found);
    }
    rct_query query = query_of_coords(given->coords, given->n, given->d, K);
    query.traversal = traversal;
    answer found = ask(tree, &query);
    check_answer(&twice, given->n, &query, &found);
    answer_free(&found);
  }
  answer found = ask_vecchia(tree, given->n, K, no_indices());
  check_vecchia(&truth, NULL, &found);
  answer_free(&found);
  oracle_free(&twice);
  oracle_free(&truth);
  free(ids);
  rct_free(tree);
}

/* Under every metric, pure and hybrid; inducing points only where the metric takes them. */
static void check_metrics(problem *given) {
  const rct_matrix inducing = given->data.inducing;
  for (int32_t metric = RCT_METRIC_RESIDUAL; metric <= RCT_METRIC_EUCLIDEAN; metric++) {
    for (int32_t construction = RCT_CONSTRUCTION_PURE; construction <= RCT_CONSTRUCTION_HYBRID; construction++) {
      check_context("n %d, d %d, m %d, metric %d, construction %d", (int)given->n, (int)given->d, (int)given->m,
                    (int)metric, (int)construction);
      given->options.metric = metric;
      given->options.construction = construction;
      given->data.inducing = metric == RCT_METRIC_RESIDUAL ? inducing : no_matrix();
      check_everything(given);
    }
  }
  given->options.metric = RCT_METRIC_RESIDUAL;
  given->data.inducing = inducing;
}

static void few_points(void) {
  for (size_t n = 1; n <= 4; n++) {
    for (size_t m = 0; m <= 3; m += 3) {
      problem given = problem_new(n, 2, m, n);
      check_metrics(&given);
      problem_free(&given);
    }
  }
}

static void one_dimension(void) {
  problem given = problem_new(70, 1, 6, 11);
  check_metrics(&given);
  problem_free(&given);
}

static void all_points_equal(void) {
  for (size_t m = 0; m <= 5; m += 5) {
    problem given = problem_new(60, 3, m, 12);
    for (size_t i = 1; i < given.n; i++) memcpy(given.coords + i * 3, given.coords, 3 * sizeof(double));
    check_metrics(&given);
    problem_free(&given);
  }
}

static void all_points_equal_by_a_stride_of_0(void) {
  problem given = problem_new(60, 3, 5, 13);
  for (size_t i = 1; i < given.n; i++) memcpy(given.coords + i * 3, given.coords, 3 * sizeof(double));
  given.data.coords.row_stride = 0;
  check_everything(&given);
  problem_free(&given);
}

static void duplicated_points(void) {
  for (size_t m = 0; m <= 8; m += 8) {
    problem given = problem_new(90, 2, m, 14);
    /* Triples: the third of the points that come last, and their neighbours by id. */
    for (size_t i = 0; i < 30; i++) {
      memcpy(given.coords + (89 - i) * 2, given.coords + i * 2, 2 * sizeof(double));
      memcpy(given.coords + (i + 30) * 2, given.coords + i * 2, 2 * sizeof(double));
    }
    check_metrics(&given);
    problem_free(&given);
  }
}

static void points_on_a_line_and_on_a_grid(void) {
  problem line = problem_new(64, 3, 6, 15);
  for (size_t i = 0; i < 64; i++)
    for (size_t j = 0; j < 3; j++) line.coords[i * 3 + j] = (double)i / 64.0;
  check_metrics(&line);
  problem_free(&line);

  /* Many pairs at exactly the same distance: ties go by id. */
  problem grid = problem_new(64, 2, 6, 16);
  for (size_t i = 0; i < 64; i++) {
    grid.coords[i * 2] = (double)(i % 8) / 8.0;
    grid.coords[i * 2 + 1] = (double)(i / 8) / 8.0;
  }
  check_metrics(&grid);
  problem_free(&grid);
}

static void ties_go_to_the_smaller_id(void) {
  double coords[8] = {2.0, -1.0, 1.0, 0.0, 1.0, -1.0, 0.0, 2.0};
  problem given = problem_new(8, 1, 0, 17);
  memcpy(given.coords, coords, sizeof coords);
  const int64_t expected[8] = {3, 6, 1, 2, 4, 5, 0, 7};
  for (int32_t metric = RCT_METRIC_CORRELATION; metric <= RCT_METRIC_EUCLIDEAN; metric++) {
    for (int32_t traversal = RCT_TRAVERSAL_AUTO; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
      check_context("metric %d, traversal %d", (int)metric, (int)traversal);
      given.options.metric = metric;
      given.options.traversal = traversal;
      rct_tree *tree = problem_tree(&given);
      const double origin[1] = {0.0};
      const rct_query query = query_of_coords(origin, 1, 1, 8);
      answer found = ask(tree, &query);
      CHECK(memcmp(found.ids, expected, sizeof expected) == 0);
      answer_free(&found);
      rct_free(tree);
    }
  }
  problem_free(&given);
}

static void inducing_points_with_no_rows(void) {
  problem given = problem_new(50, 2, 0, 18);
  given.data.inducing = rct_row_major(given.coords, 0, 2);
  check_everything(&given);
  problem_free(&given);
}

static void as_many_inducing_points_as_points(void) {
  /* On the points themselves: nothing is left but the jitter. And elsewhere. */
  problem given = problem_new(40, 2, 40, 19);
  given.options.lengthscale = 0.1;
  check_everything(&given);
  memcpy(given.inducing, given.coords, 40 * 2 * sizeof(double));
  check_everything(&given);
  given.options.jitter = 1e-3;
  given.options.construction = RCT_CONSTRUCTION_HYBRID;
  check_everything(&given);
  problem_free(&given);
}

static void more_inducing_points_than_points(void) {
  problem given = problem_new(12, 2, 30, 20);
  given.options.lengthscale = 0.1;
  check_everything(&given);
  problem_free(&given);
}

static void points_on_an_inducing_point(void) {
  problem given = problem_new(80, 2, 10, 21);
  for (size_t i = 0; i < 20; i++) memcpy(given.coords + i * 4, given.inducing + (i % 10) * 2, 2 * sizeof(double));
  check_everything(&given);
  given.options.residual_floor = 0.01;
  check_everything(&given);
  problem_free(&given);
}

static void coordinates_far_from_the_origin(void) {
  problem given = problem_new(60, 2, 0, 22);
  for (size_t i = 0; i < 120; i++) given.coords[i] = 1e6 + given.coords[i];
  check_metrics(&given);
  for (size_t i = 0; i < 120; i++) given.coords[i] = 1e9 * (given.coords[i] - 1e6);
  check_metrics(&given);
  problem_free(&given);
}

static void tiny_and_huge_scales(void) {
  const double scales[3] = {1e-100, 1.0, 1e100};
  for (int i = 0; i < 3; i++) {
    problem given = problem_new(60, 2, 5, 23);
    for (size_t t = 0; t < 120; t++) given.coords[t] *= scales[i];
    for (size_t t = 0; t < 10; t++) given.inducing[t] *= scales[i];
    given.options.lengthscale = 0.3 * scales[i];
    given.options.variance = scales[2 - i];
    check_metrics(&given);
    problem_free(&given);
  }
}

int main(void) {
  RUN(few_points);
  RUN(one_dimension);
  RUN(all_points_equal);
  RUN(all_points_equal_by_a_stride_of_0);
  RUN(duplicated_points);
  RUN(points_on_a_line_and_on_a_grid);
  RUN(ties_go_to_the_smaller_id);
  RUN(inducing_points_with_no_rows);
  RUN(as_many_inducing_points_as_points);
  RUN(more_inducing_points_than_points);
  RUN(points_on_an_inducing_point);
  RUN(coordinates_far_from_the_origin);
  RUN(tiny_and_huge_scales);
  return check_report();
}
