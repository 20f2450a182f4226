/* Coordinates over lengthscales that are very large or very small: answered exactly, or refused by name. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 400, D = 2, K = 9 };

/* Neighbours of stored and new points, predecessors, bounds, radii and pairs; distances are about as large as
 * `size`. */
static void check_everything(const problem *given, double size) {
  rct_tree *tree = problem_tree(given);
  if (tree == NULL) return;
  CHECK_OK(rct_validate(tree, NULL));
  oracle truth = problem_oracle(given), twice = problem_oracle_with(given, given->coords, given->n);
  int64_t *ids = count_up(given->n), *others = shuffled(given->n, 3);
  double *distances = (double *)malloc(given->n * sizeof *distances);
  const double bound = 0.1 * size;
  for (int32_t traversal = RCT_TRAVERSAL_AUTO; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
    rct_query query = query_of_ids(ids, given->n, K);
    query.traversal = traversal;
    answer found = ask(tree, &query);
    check_answer(&truth, given->n, &query, &found);
    answer_free(&found);
    query.max_distances = rct_vector_of(&bound, 1);
    found = ask(tree, &query);
    check_answer(&truth, given->n, &query, &found);
    answer_free(&found);
    query = query_of_coords(given->coords, given->n, given->d, K);
    query.traversal = traversal;
    found = ask(tree, &query);
    check_answer(&twice, given->n, &query, &found);
    answer_free(&found);
  }
  answer found = ask_vecchia(tree, given->n, K, no_indices());
  check_vecchia(&truth, NULL, &found);
  answer_free(&found);
  CHECK_OK(rct_distances(tree, rct_index_vector_of(ids, given->n), rct_index_vector_of(others, given->n),
                         rct_vector_out_of(distances, given->n)));
  size_t near = 0, all = 0;
  for (size_t i = 0; i < given->n; i++) {
    CHECK(oracle_is_distance(&truth, i, (size_t)others[i], distances[i]));
    for (size_t j = 0; j < given->n; j++) near += oracle_distance(&truth, i, j) < bound;
  }
  const rct_query query = query_of_ids(ids, given->n, 1);
  rct_radius_result *result = NULL;
  rct_radius_view view;
  CHECK_OK(rct_radius_batch(tree, &query, bound, &result, NULL));
  CHECK_OK(rct_radius_result_view(result, &view));
  all = view.total;
  CHECK(all == near);
  rct_radius_result_free(result);
  oracle_free(&twice);
  oracle_free(&truth);
  free(distances);
  free(others);
  free(ids);
  rct_free(tree);
}

static void euclidean_distances_whose_squares_overflow_or_underflow(void) {
  const double lengthscales[6] = {1e160, 1e200, 1e300, 1e-160, 1e-200, 1e-300};
  for (int i = 0; i < 6; i++) {
    check_context("lengthscale %g", lengthscales[i]);
    problem given = problem_new(N, D, 0, 31);
    given.options.metric = RCT_METRIC_EUCLIDEAN;
    given.options.lengthscale = lengthscales[i];
    check_everything(&given, 1.0 / lengthscales[i]);
    problem_free(&given);
  }
}

static void a_power_tail_where_squares_overflow(void) {
  problem given = problem_new(N, D, 0, 32);
  given.options.metric = RCT_METRIC_CORRELATION;
  given.options.kernel = RCT_KERNEL_RATIONAL_QUADRATIC;
  given.options.alpha = 0.001;
  given.options.lengthscale = 1e-160;
  check_everything(&given, 5.0);
  problem_free(&given);
}

/* Messages tell numbers as people write them. */
static void refusals(void) {
  double coords[4] = {0.0, 1.0, 1.0, -1e308};
  rct_options options = default_options();
  options.metric = RCT_METRIC_EUCLIDEAN;
  options.lengthscale = 1.0;
  rct_data data = data_of(coords, 2, 2);
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&options, &tree));
  CHECK_STATUS(rct_build(tree, &data, NULL), RCT_ERROR_INVALID_ARGUMENT, "coords[1, 1] is -1e308, ");
  coords[3] = 0.5;
  CHECK_OK(rct_build(tree, &data, NULL));
  rct_query query = query_of_coords(coords, 2, 2, 1);
  answer room = answer_new(2, 1);
  const rct_neighbors out = answer_out(&room);
  coords[0] = 1.25e308;
  CHECK_STATUS(rct_query_batch(tree, &query, &out, NULL), RCT_ERROR_INVALID_ARGUMENT,
               "query coords[0, 0] is 1.25e308, ");
  coords[0] = 0.0;
  const double bound = -1e-300;
  query.max_distances = rct_vector_of(&bound, 1);
  CHECK_STATUS(rct_query_batch(tree, &query, &out, NULL), RCT_ERROR_INVALID_ARGUMENT, "max_distances[0] is -1e-300;");
  query.max_distances = no_vector();
  rct_radius_result *result = NULL;
  CHECK_STATUS(rct_radius_batch(tree, &query, -25357.25, &result, NULL), RCT_ERROR_INVALID_ARGUMENT,
               "radius is -25357.25;");
  CHECK_STATUS(rct_radius_batch(tree, &query, -1e6, &result, NULL), RCT_ERROR_INVALID_ARGUMENT, "radius is -1000000;");
  options.lengthscale = -1e308;
  CHECK_STATUS(rct_refit(tree, &options, NULL, NULL), RCT_ERROR_INVALID_ARGUMENT, "lengthscale is -1e308;");
  CHECK(answer_untouched(&room));
  answer_free(&room);
  rct_free(tree);
}

int main(void) {
  RUN(euclidean_distances_whose_squares_overflow_or_underflow);
  RUN(a_power_tail_where_squares_overflow);
  RUN(refusals);
  return check_report();
}
