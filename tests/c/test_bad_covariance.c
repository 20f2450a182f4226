/* A covariance callback that fails, returns what no covariance is, or is not symmetric. */
#include <math.h>
#include <stdlib.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 60, D = 2, M = 5, K = 4 };

/* An exponential covariance that goes wrong from its `good_calls`-th call on. */
typedef struct faulty {
  long good_calls;
  int32_t code;     /* returned then */
  double value;     /* or written then, unless 0 */
  double lopsided;  /* and this added where x comes after the other point, always */
} faulty;

static int32_t faulty_covariances(void *user, const double *x, const double *others, size_t count, size_t dim,
                                  double *out) {
  faulty *state = (faulty *)user;
  const int good = state->good_calls-- > 0;
  for (size_t i = 0; i < count; i++) {
    double squared = 0.0;
    for (size_t j = 0; j < dim; j++) squared += (x[j] - others[i * dim + j]) * (x[j] - others[i * dim + j]);
    out[i] = exp(-2.0 * sqrt(squared));
    if (x[0] > others[i * dim]) out[i] += state->lopsided;
  }
  if (good) return 0;
  if (state->value != 0.0) out[count - 1] = state->value;
  return state->code;
}

static const long ALWAYS_GOOD = 1000000000;

static problem custom_problem(faulty *state) {
  problem given = problem_new(N, D, M, 1);
  given.options.kernel = RCT_KERNEL_CUSTOM;
  given.options.covariance = faulty_covariances;
  given.options.covariance_user = state;
  return given;
}

static faulty harmless(void) {
  faulty state;
  state.good_calls = ALWAYS_GOOD;
  state.code = 0;
  state.value = 0.0;
  state.lopsided = 0.0;
  return state;
}

/* Builds with a fault after 0, 1, 2, 4, ... calls until a build does not get that far; each is refused, and the tree
 * then builds without the fault. */
static void check_builds(faulty fault, rct_status status, const char *words) {
  long good_calls = 0;
  for (int refused = 1; refused;) {
    check_context("fault after %ld calls", good_calls);
    faulty state = fault;
    state.good_calls = good_calls;
    problem given = custom_problem(&state);
    rct_tree *tree = NULL;
    CHECK_OK(rct_create(&given.options, &tree));
    rct_status first;
    refused = (first = rct_build(tree, &given.data, NULL)) != RCT_OK;
    CHECK(refused || state.good_calls >= 0);
    CHECK(refused || good_calls > 0);
    if (refused) {
      state.good_calls = good_calls;
      rct_tree_stats stats;
      stats.struct_size = sizeof stats;
      CHECK(first == status);
      CHECK_STATUS(rct_build(tree, &given.data, NULL), status, words);
      CHECK_STATUS(rct_stats(tree, &stats), RCT_ERROR_INVALID_STATE, "tree");
      state = harmless();
      CHECK_OK(rct_build(tree, &given.data, NULL));
      CHECK_OK(rct_validate(tree, NULL));
    }
    good_calls = good_calls == 0 ? 1 : 2 * good_calls;
    rct_free(tree);
    problem_free(&given);
  }
}

/* Every search with a fault from its first call on is refused, and then answers as before. */
static void check_searches(faulty fault, rct_status status, const char *words) {
  faulty state = harmless();
  problem given = custom_problem(&state);
  rct_tree *tree = problem_tree(&given);
  int64_t *ids = count_up(N);
  const rct_query by_id = query_of_ids(ids, N, K), by_coords = query_of_coords(given.inducing, M, D, K);
  answer expected = ask(tree, &by_id), expected_new = ask(tree, &by_coords), room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  rct_neighbors few = out;
  few.ids.rows = few.distances.rows = few.counts.len = M;
  double values[N];
  for (int t = 0; t < N; t++) values[t] = -5.0;
  const rct_vector_out pairs = rct_vector_out_of(values, N);
  int64_t *others = shuffled(N, 1);
  const rct_index_vector j = rct_index_vector_of(others, N);
  rct_radius_result *result = NULL;

  fault.good_calls = 0;
  state = fault;
  CHECK_STATUS(rct_query_batch(tree, &by_id, &out, NULL), status, words);
  CHECK_STATUS(rct_query_batch(tree, &by_coords, &few, NULL), status, words);
  CHECK_STATUS(rct_vecchia_neighbors(tree, K, no_indices(), &out, NULL), status, words);
  CHECK_STATUS(rct_radius_batch(tree, &by_id, 0.5, &result, NULL), status, words);
  CHECK_STATUS(rct_distances(tree, by_id.ids, j, pairs), status, words);
  CHECK_STATUS(rct_correlations(tree, by_id.ids, j, pairs), status, words);
  CHECK_STATUS(rct_validate(tree, NULL), status, words);
  CHECK(answer_untouched(&room) && result == NULL);
  for (int t = 0; t < N; t++) CHECK(values[t] == -5.0);

  state = harmless();
  answer found = ask(tree, &by_id), found_new = ask(tree, &by_coords);
  CHECK(answers_equal(&found, &expected) && answers_equal(&found_new, &expected_new));
  CHECK_OK(rct_validate(tree, NULL));
  answer_free(&found);
  answer_free(&found_new);
  answer_free(&expected);
  answer_free(&expected_new);
  answer_free(&room);
  free(others);
  free(ids);
  rct_free(tree);
  problem_free(&given);
}

static void a_code_other_than_0(void) {
  faulty fault = harmless();
  fault.code = 42;
  check_builds(fault, RCT_ERROR_CANCELLED, "covariance|42");
  check_searches(fault, RCT_ERROR_CANCELLED, "covariance|42");
  fault.code = -1;
  check_searches(fault, RCT_ERROR_CANCELLED, "covariance|-1");
}

static void values_that_are_not_finite(void) {
  faulty fault = harmless();
  fault.value = NAN;
  check_builds(fault, RCT_ERROR_NOT_FINITE, "covariance|NaN");
  check_searches(fault, RCT_ERROR_NOT_FINITE, "covariance|NaN");
  fault.value = INFINITY;
  check_builds(fault, RCT_ERROR_NOT_FINITE, "covariance|inf");
  check_searches(fault, RCT_ERROR_NOT_FINITE, "covariance|inf");
}

static void a_covariance_that_is_not_symmetric(void) {
  faulty state = harmless();
  state.lopsided = 0.01;
  problem given = custom_problem(&state);
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&given.options, &tree));
  CHECK_STATUS(rct_build(tree, &given.data, NULL), RCT_ERROR_INVALID_ARGUMENT, "covariance|symmetric");
  state.lopsided = 0.0;
  CHECK_OK(rct_build(tree, &given.data, NULL));
  rct_free(tree);
  problem_free(&given);
}

static int32_t negative(void *user, const double *x, const double *others, size_t count, size_t dim, double *out) {
  (void)x, (void)others, (void)dim;
  for (size_t i = 0; i < count; i++) out[i] = *(const double *)user;
  return 0;
}

static void a_variance_that_is_not_positive(void) {
  double variances[2] = {-1.0, 0.0};
  for (int t = 0; t < 2; t++) {
    problem given = problem_new(N, D, 0, 1);
    given.options.kernel = RCT_KERNEL_CUSTOM;
    given.options.covariance = negative;
    given.options.covariance_user = &variances[t];
    rct_tree *tree = NULL;
    CHECK_OK(rct_create(&given.options, &tree));
    CHECK_STATUS(rct_build(tree, &given.data, NULL), RCT_ERROR_INVALID_ARGUMENT,
                 t == 0 ? "covariance|-1|positive" : "covariance|0|positive");
    /* Inducing points meet the same fate, whatever is noticed first. */
    problem with_inducing = problem_new(N, D, M, 1);
    given.data.inducing = with_inducing.data.inducing;
    CHECK(rct_build(tree, &given.data, NULL) != RCT_OK && rct_last_error()[0] != '\0');
    rct_free(tree);
    problem_free(&given);
    problem_free(&with_inducing);
  }
}

int main(void) {
  RUN(a_code_other_than_0);
  RUN(values_that_are_not_finite);
  RUN(a_covariance_that_is_not_symmetric);
  RUN(a_variance_that_is_not_positive);
  return check_report();
}
