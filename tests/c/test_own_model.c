/* The caller's own factor V, residual variances p, and covariance. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 120, NEW = 25, D = 2, M = 15, K = 10 };

/* The answers of `tree` for stored points and for the oracle's points from N on. */
static void check_tree(const rct_tree *tree, const oracle *truth, const rct_query *fresh) {
  int64_t *ids = count_up(N);
  rct_query query = query_of_ids(ids, N, K);
  query.exclude_self = 1;
  oracle stored = *truth;
  stored.n = N;
  for (int32_t traversal = RCT_TRAVERSAL_AUTO; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
    query.traversal = traversal;
    answer found = ask(tree, &query);
    check_answer(&stored, N, &query, &found);
    answer_free(&found);
    rct_query other = *fresh;
    other.traversal = traversal;
    found = ask(tree, &other);
    check_answer(truth, N, &other, &found);
    answer_free(&found);
  }
  answer found = ask_vecchia(tree, N, K, no_indices());
  check_vecchia(&stored, NULL, &found);
  answer_free(&found);
  CHECK_OK(rct_validate(tree, NULL));
  free(ids);
}

static void a_factor_with_and_without_residual_variances(void) {
  /* V and p of stored and new points as the oracle has them; p once larger, as with noise. */
  for (int given_p = 0; given_p < 3; given_p++) {
    problem given = problem_new(N + NEW, D, M, 1);
    oracle full = problem_oracle(&given);
    if (given_p == 2)
      for (size_t i = 0; i < N + NEW; i++) full.residuals[i] += 0.1 * (double)(1 + i % 3);
    oracle truth =
        oracle_from_factor(&given.options, given.coords, N + NEW, D, full.factor, M, given_p ? full.residuals : NULL);
    rct_data data = data_of(given.coords, N, D);
    data.factor = rct_row_major(full.factor, N, M);
    rct_query fresh = query_of_coords(given.coords + N * D, NEW, D, K);
    fresh.factor = rct_row_major(full.factor + N * M, NEW, M);
    if (given_p) {
      data.residual_variances = rct_vector_of(full.residuals, N);
      fresh.residual_variances = rct_vector_of(full.residuals + N, NEW);
    }
    check_context("p given: %d", given_p);
    rct_tree *tree = tree_of(&given.options, &data);
    if (tree != NULL) check_tree(tree, &truth, &fresh);
    rct_free(tree);
    oracle_free(&truth);
    oracle_free(&full);
    problem_free(&given);
  }
}

static void the_factor_is_copied(void) {
  problem given = problem_new(N, D, M, 2);
  oracle truth = problem_oracle(&given);
  double *factor = (double *)malloc(N * M * sizeof *factor), *residuals = (double *)malloc(N * sizeof *residuals);
  memcpy(factor, truth.factor, N * M * sizeof *factor);
  memcpy(residuals, truth.residuals, N * sizeof *residuals);
  given.data.inducing = no_matrix();
  given.data.factor = rct_row_major(factor, N, M);
  given.data.residual_variances = rct_vector_of(residuals, N);
  rct_tree *tree = problem_tree(&given);
  for (size_t t = 0; t < N * M; t++) factor[t] = NAN;
  for (size_t t = 0; t < N; t++) residuals[t] = NAN;
  for (size_t t = 0; t < N * D; t++) given.coords[t] = NAN;
  answer found = ask_vecchia(tree, N, K, no_indices());
  check_vecchia(&truth, NULL, &found);
  answer_free(&found);
  rct_free(tree);
  free(factor);
  free(residuals);
  oracle_free(&truth);
  problem_free(&given);
}

static void a_factor_that_is_no_residual_is_answered_exactly(void) {
  /* V random: K - V V' is not positive semidefinite, so no bound holds; brute force does. */
  problem given = problem_new(N + NEW, D, M, 3);
  double *factor = uniform_array((N + NEW) * M, 4);
  oracle truth = oracle_from_factor(&given.options, given.coords, N + NEW, D, factor, M, NULL);
  rct_data data = data_of(given.coords, N, D);
  data.factor = rct_row_major(factor, N, M);
  rct_query fresh = query_of_coords(given.coords + N * D, NEW, D, K);
  fresh.factor = rct_row_major(factor + N * M, NEW, M);
  rct_tree *tree = tree_of(&given.options, &data);
  check_tree(tree, &truth, &fresh);
  rct_tree_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(tree, &stats));
  CHECK(stats.brute_force_only == 1 && stats.last_traversal == RCT_TRAVERSAL_BRUTE_FORCE);
  rct_free(tree);
  free(factor);
  oracle_free(&truth);
  problem_free(&given);
}

static void a_factor_with_any_number_of_columns(void) {
  const size_t columns[4] = {0, 1, N, N + 30};
  for (int t = 0; t < 4; t++) {
    const size_t m = columns[t];
    problem given = problem_new(N + NEW, D, m, 5);
    given.options.lengthscale = 0.05;
    given.options.jitter = 1e-3;
    oracle truth = problem_oracle(&given);
    rct_data data = data_of(given.coords, N, D);
    data.factor = rct_row_major(truth.factor, N, m);
    rct_query fresh = query_of_coords(given.coords + N * D, NEW, D, K);
    fresh.factor = rct_row_major(truth.factor + N * m, NEW, m);
    check_context("m %d", (int)m);
    rct_tree *tree = tree_of(&given.options, &data);
    if (tree != NULL) check_tree(tree, &truth, &fresh);
    rct_free(tree);
    oracle_free(&truth);
    problem_free(&given);
  }
}

/* The caller's covariance: Matern 3/2 of the options that `user` points to, of coordinates as given. */
typedef struct covariance_calls {
  rct_options options;
  size_t calls;
} covariance_calls;

static int32_t matern32(void *user, const double *x, const double *others, size_t count, size_t dim, double *out) {
  covariance_calls *state = (covariance_calls *)user;
  state->calls++;
  for (size_t i = 0; i < count; i++) {
    double squared = 0.0;
    for (size_t j = 0; j < dim; j++) squared += (x[j] - others[i * dim + j]) * (x[j] - others[i * dim + j]);
    const double r = sqrt(3.0 * squared) / state->options.lengthscale;
    out[i] = state->options.variance * (1.0 + r) * exp(-r);
  }
  return 0;
}

static void a_custom_covariance_agrees_with_the_same_kernel(void) {
  for (int32_t metric = RCT_METRIC_RESIDUAL; metric <= RCT_METRIC_CORRELATION; metric++) {
    for (int32_t construction = RCT_CONSTRUCTION_PURE; construction <= RCT_CONSTRUCTION_HYBRID; construction++) {
      problem given = problem_new(N, D, metric == RCT_METRIC_RESIDUAL ? M : 0, 6);
      given.options.metric = metric;
      given.options.construction = construction;
      double *more = uniform_array(NEW * D, 7);
      oracle truth = problem_oracle_with(&given, more, NEW);
      covariance_calls user;
      user.options = given.options;
      user.calls = 0;
      given.options.kernel = RCT_KERNEL_CUSTOM;
      given.options.covariance = matern32;
      given.options.covariance_user = &user;
      /* Of the callback these are not asked. */
      given.options.variance = 1.0;
      given.options.lengthscale = 1.0;
      const rct_query fresh = query_of_coords(more, NEW, D, K);
      check_context("metric %d, construction %d", (int)metric, (int)construction);
      rct_tree *tree = problem_tree(&given);
      if (tree != NULL) check_tree(tree, &truth, &fresh);
      CHECK(user.calls > 0);
      rct_free(tree);
      free(more);
      oracle_free(&truth);
      problem_free(&given);
    }
  }
}

/* A covariance whose variance grows along the first coordinate, which no kernel of the library has. */
static double growing(const double *x, const double *y, size_t dim) {
  double squared = 0.0;
  for (size_t j = 0; j < dim; j++) squared += (x[j] - y[j]) * (x[j] - y[j]);
  return (1.0 + x[0]) * (1.0 + y[0]) * exp(-4.0 * sqrt(squared));
}

static int32_t growing_covariances(void *user, const double *x, const double *others, size_t count, size_t dim,
                                   double *out) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = growing(x, others + i * dim, dim);
  return 0;
}

static void a_custom_covariance_need_not_be_stationary(void) {
  /* The growth cancels in the correlation: it is that of an exponential kernel with lengthscale 1/4. */
  problem given = problem_new(N, D, 0, 8);
  given.options.metric = RCT_METRIC_CORRELATION;
  given.options.kernel = RCT_KERNEL_MATERN12;
  given.options.lengthscale = 0.25;
  double *more = uniform_array(NEW * D, 9);
  oracle truth = problem_oracle_with(&given, more, NEW);
  given.options.kernel = RCT_KERNEL_CUSTOM;
  given.options.covariance = growing_covariances;
  const rct_query fresh = query_of_coords(more, NEW, D, K);
  rct_tree *tree = problem_tree(&given);
  check_tree(tree, &truth, &fresh);
  rct_free(tree);
  free(more);
  oracle_free(&truth);
  problem_free(&given);
}

int main(void) {
  RUN(a_factor_with_and_without_residual_variances);
  RUN(the_factor_is_copied);
  RUN(a_factor_that_is_no_residual_is_answered_exactly);
  RUN(a_factor_with_any_number_of_columns);
  RUN(a_custom_covariance_agrees_with_the_same_kernel);
  RUN(a_custom_covariance_need_not_be_stationary);
  return check_report();
}
