/* Answers are those of the definition for every metric, kernel and way to build and search a tree. */
#include <math.h>
#include <stdlib.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 150, D = 2, M = 20, K = 12 };

/* All stored points, themselves included and not, and some new points, against the oracle. */
static void check_tree(const problem *given, const rct_tree *tree) {
  int64_t *ids = count_up(given->n);
  rct_query query = query_of_ids(ids, given->n, K);
  oracle truth = problem_oracle(given);
  for (int exclude_self = 0; exclude_self < 2; exclude_self++) {
    query.exclude_self = exclude_self;
    answer found = ask(tree, &query);
    check_answer(&truth, given->n, &query, &found);
    answer_free(&found);
  }
  CHECK_OK(rct_validate(tree, NULL));

  /* Inside, outside, and on a stored point. */
  enum { NEW = 30 };
  double *more = uniform_array(NEW * given->d, 99);
  for (size_t j = 0; j < given->d; j++) {
    more[j] = given->coords[3 * given->d + j];
    more[given->d + j] = 40.0;
    more[2 * given->d + j] *= -1.5;
  }
  oracle both = problem_oracle_with(given, more, NEW);
  query = query_of_coords(more, NEW, given->d, K);
  answer found = ask(tree, &query);
  check_answer(&both, given->n, &query, &found);
  answer_free(&found);
  oracle_free(&both);
  oracle_free(&truth);
  free(more);
  free(ids);
}

static void check_problem(const problem *given) {
  rct_tree *tree = problem_tree(given);
  if (tree != NULL) check_tree(given, tree);
  rct_free(tree);
}

static void default_options_are_a_default_tree(void) {
  problem given = problem_new(N, D, M, 1);
  given.options = default_options();
  check_problem(&given);
  problem_free(&given);
}

static void each_kernel_under_each_metric(void) {
  for (int32_t metric = RCT_METRIC_RESIDUAL; metric <= RCT_METRIC_EUCLIDEAN; metric++) {
    for (int32_t kernel = RCT_KERNEL_RBF; kernel <= RCT_KERNEL_RATIONAL_QUADRATIC; kernel++) {
      problem given = problem_new(N, D, M, 10 + (uint64_t)kernel);
      given.options.metric = metric;
      given.options.kernel = kernel;
      given.options.alpha = 0.7;
      if (metric != RCT_METRIC_RESIDUAL) given.data.inducing = no_matrix();
      check_context("metric %d, kernel %d", (int)metric, (int)kernel);
      check_problem(&given);
      problem_free(&given);
    }
  }
}

static void a_lengthscale_for_each_dimension(void) {
  /* Given backwards and with gaps; copied by rct_create, so overwritten afterwards. */
  const double lengthscales[3] = {0.2, 0.9, 0.5};
  double strided[5] = {0.5, -1.0, 0.9, -1.0, 0.2};
  for (int32_t metric = RCT_METRIC_RESIDUAL; metric <= RCT_METRIC_EUCLIDEAN; metric++) {
    problem given = problem_new(N, 3, metric == RCT_METRIC_RESIDUAL ? M : 0, 20);
    given.options.metric = metric;
    given.options.lengthscales.data = strided + 4;
    given.options.lengthscales.len = 3;
    given.options.lengthscales.stride = -2;
    check_context("metric %d", (int)metric);
    rct_tree *tree = NULL;
    CHECK_OK(rct_create(&given.options, &tree));
    given.options.lengthscales = rct_vector_of(lengthscales, 3);
    strided[0] = strided[2] = strided[4] = NAN;
    if (CHECK_OK(rct_build(tree, &given.data, NULL))) check_tree(&given, tree);
    strided[0] = 0.5;
    strided[2] = 0.9;
    strided[4] = 0.2;
    rct_free(tree);
    problem_free(&given);
  }
}

static void jitter_and_floor_are_those_given(void) {
  problem given = problem_new(N, D, M, 30);
  given.options.jitter = 0.05;
  given.options.residual_floor = 0.2;
  check_problem(&given);
  given.options.jitter = 0.0;
  given.options.residual_floor = 1.0;
  check_problem(&given);
  problem_free(&given);
}

static void residual_variances_near_zero(void) {
  /* A smooth kernel, long lengthscales, many inducing points: p falls to 1e-6 of the variance. */
  problem given = problem_new(N, 1, 12, 31);
  given.options.kernel = RCT_KERNEL_RBF;
  given.options.lengthscale = 0.4;
  check_problem(&given);
  problem_free(&given);
}

static void every_way_to_build_gives_the_same_answers(void) {
  problem given = problem_new(N, D, M, 40);
  int64_t *ids = count_up(N);
  const rct_query query = query_of_ids(ids, N, K);
  answer first = answer_new(N, K);
  for (int32_t construction = 0; construction <= RCT_CONSTRUCTION_HYBRID; construction++) {
    for (int32_t ordering = 0; ordering <= RCT_ORDERING_HILBERT; ordering++) {
      for (uint32_t threads = 0; threads <= 3; threads++) {
        check_context("construction %d, ordering %d, threads %d", (int)construction, (int)ordering, (int)threads);
        given.options.construction = construction;
        given.options.ordering = ordering;
        given.options.threads = threads;
        rct_tree *tree = problem_tree(&given);
        if (tree == NULL) continue;
        if (threads == 1) check_tree(&given, tree);
        answer found = ask(tree, &query);
        if (answer_untouched(&first)) {
          answer_free(&first);
          first = found;
        } else {
          CHECK(answers_equal(&first, &found));
          answer_free(&found);
        }
        rct_free(tree);
      }
    }
  }
  answer_free(&first);
  free(ids);
  problem_free(&given);
}

static void every_traversal_gives_the_same_answers(void) {
  /* So many points that the automatic traversal is not brute force. */
  enum { POINTS = 1300, QUERIES = 200 };
  for (int32_t metric = RCT_METRIC_RESIDUAL; metric <= RCT_METRIC_EUCLIDEAN; metric++) {
    problem given = problem_new(POINTS, D, metric == RCT_METRIC_RESIDUAL ? M : 0, 50);
    given.options.metric = metric;
    given.options.lengthscale = 0.1;
    int64_t *ids = count_up(QUERIES);
    double *more = uniform_array(40 * D, 7);
    answer by_id = answer_new(1, 1), by_coords = answer_new(1, 1);
    for (int32_t of_tree = 0; of_tree < 2; of_tree++) {
      for (int32_t traversal = RCT_TRAVERSAL_AUTO; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
        /* Chosen by the options, or by the query. */
        given.options.traversal = of_tree ? traversal : RCT_TRAVERSAL_AUTO;
        check_context("metric %d, traversal %d, chosen by the %s", (int)metric, (int)traversal,
                      of_tree ? "tree" : "query");
        rct_tree *tree = problem_tree(&given);
        if (tree == NULL) continue;
        rct_query queries[2];
        queries[0] = query_of_ids(ids, QUERIES, K);
        queries[1] = query_of_coords(more, 40, D, K);
        answer *kept[2] = {&by_id, &by_coords};
        for (int q = 0; q < 2; q++) {
          if (!of_tree) queries[q].traversal = traversal;
          answer found = ask(tree, &queries[q]);
          if (answer_untouched(kept[q])) {
            answer_free(kept[q]);
            *kept[q] = found;
          } else {
            CHECK(answers_equal(kept[q], &found));
            answer_free(&found);
          }
        }
        rct_free(tree);
      }
    }
    oracle truth = problem_oracle(&given);
    const rct_query query = query_of_ids(ids, QUERIES, K);
    check_answer(&truth, given.n, &query, &by_id);
    oracle_free(&truth);
    answer_free(&by_id);
    answer_free(&by_coords);
    free(more);
    free(ids);
    problem_free(&given);
  }
}

static void dimensions_1_to_10(void) {
  for (size_t d = 1; d <= 10; d++) {
    problem given = problem_new(80, d, 15, 60 + d);
    given.options.lengthscale = 0.5;
    check_context("d %d", (int)d);
    check_problem(&given);
    problem_free(&given);
  }
}

int main(void) {
  RUN(default_options_are_a_default_tree);
  RUN(each_kernel_under_each_metric);
  RUN(a_lengthscale_for_each_dimension);
  RUN(jitter_and_floor_are_those_given);
  RUN(residual_variances_near_zero);
  RUN(every_way_to_build_gives_the_same_answers);
  RUN(every_traversal_gives_the_same_answers);
  RUN(dimensions_1_to_10);
  return check_report();
}
