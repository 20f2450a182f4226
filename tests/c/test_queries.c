/* What a query may ask: limits by id, bounds of distance, k beyond n, no self; and what its siblings answer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 200, D = 2, M = 20, K = 10 };

static problem given;
static oracle truth;
static rct_tree *tree;
static int64_t *ids;

/* Asks with every traversal; checks against the oracle, and that all say the same to the last bit. */
static void check_query(rct_query query) {
  answer first = answer_new(1, 1);
  for (int32_t traversal = RCT_TRAVERSAL_AUTO; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
    check_context("traversal %d", (int)traversal);
    query.traversal = traversal;
    answer found = ask(tree, &query);
    if (traversal == RCT_TRAVERSAL_AUTO) {
      check_answer(&truth, N, &query, &found);
      answer_free(&first);
      first = found;
    } else {
      CHECK(answers_equal(&first, &found));
      answer_free(&found);
    }
  }
  answer_free(&first);
}

static void ids_in_any_order_and_more_than_once(void) {
  const int64_t some[7] = {199, 0, 57, 57, 3, 0, 101};
  check_query(query_of_ids(some, 7, K));
}

static void without_self(void) {
  rct_query query = query_of_ids(ids, N, K);
  query.exclude_self = 1;
  check_query(query);
  answer found = ask(tree, &query);
  for (size_t t = 0; t < N * K; t++) CHECK(found.ids[t] != (int64_t)(t / K));
  answer_free(&found);
  /* Any number but 0 is true. */
  query.exclude_self = -5;
  check_query(query);
}

static void one_id_limit_for_all(void) {
  const int64_t limits[6] = {0, 1, 7, N - 1, N, 1000000};
  for (int i = 0; i < 6; i++) {
    rct_query query = query_of_ids(ids, N, K);
    query.id_limits = rct_index_vector_of(limits + i, 1);
    check_query(query);
    query.exclude_self = 1;
    check_query(query);
  }
}

static void predecessors_by_id_limits(void) {
  rct_query query = query_of_ids(ids, N, K);
  query.id_limits = query.ids;
  check_query(query);
  answer found = ask(tree, &query);
  for (size_t i = 0; i < N; i++) CHECK(found.counts[i] == (i < K ? (int64_t)i : (int64_t)K));
  answer_free(&found);
}

static void an_id_limit_for_each_query(void) {
  int64_t *limits = shuffled(N, 5);
  rct_query query = query_of_ids(ids, N, K);
  query.id_limits = rct_index_vector_of(limits, N);
  check_query(query);
  /* In reverse, by a negative stride. */
  query.id_limits.data = limits + N - 1;
  query.id_limits.stride = -1;
  check_query(query);
  free(limits);
}

static void distance_bounds(void) {
  const double bounds[4] = {1e-9, 0.4, 0.7, 50.0};
  for (int i = 0; i < 4; i++) {
    rct_query query = query_of_ids(ids, N, K);
    query.max_distances = rct_vector_of(bounds + i, 1);
    check_query(query);
    query.exclude_self = 1;
    query.id_limits = query.ids;
    check_query(query);
  }
  double *each = uniform_array(N, 6);
  for (size_t i = 0; i < N; i++) each[i] += 0.05;
  rct_query query = query_of_ids(ids, N, K);
  query.max_distances = rct_vector_of(each, N);
  check_query(query);
  free(each);
}

static void a_distance_bound_is_strict(void) {
  problem line = problem_new(5, 1, 0, 1);
  for (int i = 0; i < 5; i++) line.coords[i] = i;
  line.options.metric = RCT_METRIC_EUCLIDEAN;
  line.options.lengthscale = 1.0;
  rct_tree *small = problem_tree(&line);
  const int64_t id = 0;
  const double bound = 2.0;
  rct_query query = query_of_ids(&id, 1, 5);
  query.max_distances = rct_vector_of(&bound, 1);
  answer found = ask(small, &query);
  CHECK(found.counts[0] == 2 && found.ids[0] == 0 && found.ids[1] == 1 && found.ids[2] == -1);
  answer_free(&found);
  rct_free(small);
  problem_free(&line);
}

static void k_beyond_n_is_padded(void) {
  check_query(query_of_ids(ids, N, N + 7));
  const int64_t some[3] = {5, 6, 150}, limits[3] = {0, 3, 150};
  rct_query query = query_of_ids(some, 3, 2 * N);
  query.id_limits = rct_index_vector_of(limits, 3);
  check_query(query);
  answer found = ask(tree, &query);
  CHECK(found.counts[0] == 0 && found.counts[1] == 3 && found.counts[2] == 150);
  for (size_t t = 0; t < 2 * N; t++) CHECK(found.ids[t] == -1 && isinf(found.distances[t]) && found.distances[t] > 0.0);
  answer_free(&found);
}

static void distances_and_counts_may_be_absent(void) {
  const rct_query query = query_of_ids(ids, N, K);
  answer full = ask(tree, &query), partial = answer_new(N, K), untouched = answer_new(N, K);
  rct_neighbors out = answer_out(&partial);
  out.distances = rct_row_major_out(NULL, 0, 0);
  out.counts = rct_index_vector_out_of(NULL, 0);
  CHECK_OK(rct_query_batch(tree, &query, &out, NULL));
  CHECK(memcmp(partial.ids, full.ids, N * K * sizeof(int64_t)) == 0);
  CHECK(memcmp(partial.distances, untouched.distances, N * K * sizeof(double)) == 0);
  CHECK(memcmp(partial.counts, untouched.counts, N * sizeof(int64_t)) == 0);
  answer_free(&full);
  answer_free(&partial);
  answer_free(&untouched);
}

static void bounds_for_new_points(void) {
  enum { NEW = 40 };
  double *more = uniform_array(NEW * D, 8);
  int64_t *limits = shuffled(NEW, 9);
  const double bound = 0.6;
  oracle stored = truth;
  truth = problem_oracle_with(&given, more, NEW);
  rct_query query = query_of_coords(more, NEW, D, K);
  check_query(query);
  query.id_limits = rct_index_vector_of(limits, NEW);
  check_query(query);
  query.max_distances = rct_vector_of(&bound, 1);
  check_query(query);
  /* A new point has no self, even where it lies on a stored one. */
  query = query_of_coords(given.coords, N, D, K);
  query.exclude_self = 1;
  answer found = ask(tree, &query);
  for (size_t i = 0; i < N; i++) CHECK(found.ids[i * K] == (int64_t)i);
  answer_free(&found);
  oracle_free(&truth);
  truth = stored;
  free(limits);
  free(more);
}

static void vecchia_neighbors_in_any_order(void) {
  answer natural = ask_vecchia(tree, N, K, no_indices());
  check_vecchia(&truth, NULL, &natural);
  answer counted = ask_vecchia(tree, N, K, rct_index_vector_of(ids, N));
  CHECK(answers_equal(&natural, &counted));
  rct_query query = query_of_ids(ids, N, K);
  query.id_limits = query.ids;
  answer limited = ask(tree, &query);
  CHECK(answers_equal(&natural, &limited));
  answer_free(&limited);
  answer_free(&counted);
  answer_free(&natural);
  for (uint64_t seed = 1; seed <= 3; seed++) {
    int64_t *order = shuffled(N, seed);
    check_context("seed %d", (int)seed);
    answer found = ask_vecchia(tree, N, K, rct_index_vector_of(order, N));
    check_vecchia(&truth, order, &found);
    answer_free(&found);
    free(order);
  }
  answer wide = ask_vecchia(tree, N, N + 3, no_indices());
  check_vecchia(&truth, NULL, &wide);
  answer_free(&wide);
}

static void all_within_a_radius(void) {
  unsigned char *allowed = (unsigned char *)malloc(N);
  const double radii[4] = {1e-6, 0.5, 0.9, 10.0};
  for (int i = 0; i < 4; i++) {
    for (int predecessors = 0; predecessors < 2; predecessors++) {
      check_context("radius %g, predecessors %d", radii[i], predecessors);
      rct_query query = query_of_ids(ids, N, 1);
      query.k = 0; /* not used */
      query.exclude_self = 1;
      if (predecessors) query.id_limits = query.ids;
      rct_radius_result *result = NULL;
      if (!CHECK_OK(rct_radius_batch(tree, &query, radii[i], &result, NULL))) continue;
      rct_radius_view view;
      CHECK_OK(rct_radius_result_view(result, &view));
      CHECK(view.queries == N && view.offsets[0] == 0 && view.offsets[N] == view.total);
      for (size_t q = 0; q < N; q++) {
        const size_t from = view.offsets[q], count = view.offsets[q + 1] - from;
        CHECK(view.offsets[q] <= view.offsets[q + 1]);
        for (size_t j = 0; j < N; j++) allowed[j] = j != q && (!predecessors || j < q);
        /* Room for one more than there is: a k that all of them fit in. */
        int64_t row[N + 1];
        double distances[N + 1];
        for (size_t t = 0; t <= N; t++) {
          row[t] = t < count ? view.ids[from + t] : -1;
          distances[t] = t < count ? view.distances[from + t] : INFINITY;
        }
        CHECK(oracle_agrees(&truth, q, allowed, radii[i], N + 1, row, distances, (int64_t)count));
      }
      rct_radius_result_free(result);
    }
  }
  free(allowed);
}

static void radius_results_outlive_the_tree(void) {
  rct_tree *other = problem_tree(&given);
  const double origin[2] = {0.5, 0.5};
  const rct_query query = query_of_coords(origin, 1, 2, 1);
  rct_radius_result *result = NULL;
  CHECK_OK(rct_radius_batch(other, &query, 2.0, &result, NULL));
  rct_free(other);
  rct_radius_view view;
  CHECK_OK(rct_radius_result_view(result, &view));
  CHECK(view.queries == 1 && view.total == N && view.ids[N - 1] >= 0);
  rct_radius_result_free(result);
  rct_radius_result_free(NULL);
}

static void distances_and_correlations_of_pairs(void) {
  for (int32_t metric = RCT_METRIC_RESIDUAL; metric <= RCT_METRIC_EUCLIDEAN; metric++) {
    problem other = problem_new(N, D, metric == RCT_METRIC_RESIDUAL ? M : 0, 3);
    other.options.metric = metric;
    check_context("metric %d", (int)metric);
    rct_tree *pairs_tree = problem_tree(&other);
    oracle pairs_truth = problem_oracle(&other);
    int64_t *i = shuffled(N, 10), *j = shuffled(N, 11);
    i[3] = j[3];
    double distances[N], rho[N];
    CHECK_OK(rct_distances(pairs_tree, rct_index_vector_of(i, N), rct_index_vector_of(j, N),
                           rct_vector_out_of(distances, N)));
    const int signed_too = metric != RCT_METRIC_EUCLIDEAN;
    int negative = 0;
    if (signed_too) {
      CHECK_OK(rct_correlations(pairs_tree, rct_index_vector_of(i, N), rct_index_vector_of(j, N),
                                rct_vector_out_of(rho, N)));
    }
    for (size_t t = 0; t < N; t++) {
      const size_t a = (size_t)i[t], b = (size_t)j[t];
      CHECK(oracle_is_distance(&pairs_truth, a, b, distances[t]));
      if (!signed_too) continue;
      negative += rho[t] < 0.0;
      CHECK(fabs(rho[t] - oracle_correlation(&pairs_truth, a, b)) <= oracle_rounding(&pairs_truth, a, b));
      CHECK(fabs(rho[t]) <= 1.0);
    }
    CHECK(distances[3] == 0.0);
    if (signed_too) CHECK(rho[3] == 1.0);
    if (metric == RCT_METRIC_RESIDUAL) CHECK(negative > 0);
    free(i);
    free(j);
    oracle_free(&pairs_truth);
    rct_free(pairs_tree);
    problem_free(&other);
  }
}

int main(void) {
  given = problem_new(N, D, M, 2);
  truth = problem_oracle(&given);
  tree = problem_tree(&given);
  ids = count_up(N);
  RUN(ids_in_any_order_and_more_than_once);
  RUN(without_self);
  RUN(one_id_limit_for_all);
  RUN(predecessors_by_id_limits);
  RUN(an_id_limit_for_each_query);
  RUN(distance_bounds);
  RUN(a_distance_bound_is_strict);
  RUN(k_beyond_n_is_padded);
  RUN(distances_and_counts_may_be_absent);
  RUN(bounds_for_new_points);
  RUN(vecchia_neighbors_in_any_order);
  RUN(all_within_a_radius);
  RUN(radius_results_outlive_the_tree);
  RUN(distances_and_correlations_of_pairs);
  free(ids);
  rct_free(tree);
  oracle_free(&truth);
  problem_free(&given);
  return check_report();
}
