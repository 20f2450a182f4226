#include "living.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* How much larger p is than what V leaves, where it is the caller's. */
static const double MORE_VARIANCE = 1.25;

static size_t below(uint64_t *state, size_t bound) { return (size_t)(next_uniform(state) * (double)bound); }

static int is_given(const living *now) {
  return now->kind == LIVING_FACTOR || now->kind == LIVING_FACTOR_AND_RESIDUALS;
}

/* The truth of the pool under its options and inducing points. */
static oracle truth_of(const living *now) {
  oracle truth = problem_oracle(&now->pool);
  if (now->kind == LIVING_FACTOR_AND_RESIDUALS)
    for (size_t i = 0; i < now->pool.n; i++) truth.residuals[i] *= MORE_VARIANCE;
  return truth;
}

living living_new(living_kind kind, size_t n, size_t pool, size_t d, size_t m, uint64_t seed) {
  problem given = problem_new(0, d, 0, seed);
  const living now = living_with(&given.options, kind, n, pool, d, m, seed);
  problem_free(&given);
  return now;
}

living living_with(const rct_options *options, living_kind kind, size_t n, size_t pool, size_t d, size_t m,
                   uint64_t seed) {
  living now;
  now.kind = kind;
  now.pool = problem_new(pool, d, kind < LIVING_CORRELATION ? m : 0, seed);
  now.pool.options = *options;
  now.pool.options.metric = RCT_METRIC_RESIDUAL;
  if (kind == LIVING_CORRELATION) now.pool.options.metric = RCT_METRIC_CORRELATION;
  if (kind == LIVING_EUCLIDEAN) now.pool.options.metric = RCT_METRIC_EUCLIDEAN;
  now.truth = truth_of(&now);
  now.live = (unsigned char *)calloc(pool + 1, 1);
  now.next = now.count = 0;
  rct_data data = living_rows(&now, 0, n);
  if (kind == LIVING_INDUCING) data.inducing = now.pool.data.inducing;
  now.tree = tree_of(&now.pool.options, &data);
  living_note_inserted(&now, n);
  return now;
}

void living_free(living *now) {
  rct_free(now->tree);
  oracle_free(&now->truth);
  problem_free(&now->pool);
  free(now->live);
}

rct_data living_rows(const living *now, size_t first, size_t count) {
  const size_t m = now->truth.m;
  rct_data data = data_of(now->pool.coords + first * now->pool.d, count, now->pool.d);
  if (is_given(now)) data.factor = rct_row_major(now->truth.factor + first * m, count, m);
  if (now->kind == LIVING_FACTOR_AND_RESIDUALS)
    data.residual_variances = rct_vector_of(now->truth.residuals + first, count);
  return data;
}

int64_t *living_ids(const living *now) {
  int64_t *ids = (int64_t *)malloc((now->count + 1) * sizeof *ids);
  size_t count = 0;
  for (size_t i = 0; i < now->next; i++)
    if (now->live[i]) ids[count++] = (int64_t)i;
  return ids;
}

void living_note_inserted(living *now, size_t count) {
  memset(now->live + now->next, 1, count);
  now->next += count;
  now->count += count;
}

void living_note_removed(living *now, const int64_t *ids, size_t count) {
  for (size_t t = 0; t < count; t++) now->live[ids[t]] = 0;
  now->count -= count;
}

void living_insert(living *now, size_t count) {
  const rct_data data = living_rows(now, now->next, count);
  int64_t first = -5;
  CHECK_OK(rct_insert_batch(now->tree, &data, &first, NULL));
  CHECK(first == (int64_t)now->next);
  living_note_inserted(now, count);
}

void living_remove(living *now, const int64_t *ids, size_t count) {
  CHECK_OK(rct_remove_batch(now->tree, rct_index_vector_of(ids, count), NULL));
  living_note_removed(now, ids, count);
}

rct_data living_refit_data(living *now, const rct_options *options, const double *inducing, size_t m, double **factor,
                           double **residuals) {
  rct_data data;
  memset(&data, 0, sizeof data);
  CHECK_OK(rct_data_init(&data));
  now->pool.options = *options;
  if (inducing != NULL) {
    const size_t d = now->pool.d;
    free(now->pool.inducing);
    now->pool.inducing = (double *)malloc((m * d + 1) * sizeof *inducing);
    memcpy(now->pool.inducing, inducing, m * d * sizeof *inducing);
    now->pool.m = m;
    now->pool.data.inducing = rct_row_major(now->pool.inducing, m, d);
    if (!is_given(now)) data.inducing = now->pool.data.inducing;
  }
  oracle_free(&now->truth);
  now->truth = truth_of(now);
  /* V and p of the points that are there, row by row. */
  const size_t width = now->truth.m;
  int64_t *ids = living_ids(now);
  *factor = (double *)malloc((now->count * width + 1) * sizeof **factor);
  *residuals = (double *)malloc((now->count + 1) * sizeof **residuals);
  for (size_t t = 0; t < now->count; t++) {
    memcpy(*factor + t * width, now->truth.factor + (size_t)ids[t] * width, width * sizeof **factor);
    (*residuals)[t] = now->truth.residuals[ids[t]];
  }
  free(ids);
  if (is_given(now)) data.factor = rct_row_major(*factor, now->count, width);
  if (now->kind == LIVING_FACTOR_AND_RESIDUALS) data.residual_variances = rct_vector_of(*residuals, now->count);
  return data;
}

void living_refit(living *now, const rct_options *options, const double *inducing, size_t m) {
  double *factor, *residuals;
  const rct_data data = living_refit_data(now, options, inducing, m, &factor, &residuals);
  const int nothing = inducing == NULL && !is_given(now);
  CHECK_OK(rct_refit(now->tree, options, nothing ? NULL : &data, NULL));
  free(factor);
  free(residuals);
}

void living_replace(living *now, rct_tree *tree) {
  rct_free(now->tree);
  now->tree = tree;
}

static void check_stored(const living *now, const int64_t *ids, size_t most, uint64_t *state) {
  const size_t q = now->count < most ? now->count : most;
  int64_t *chosen = (int64_t *)malloc((q + 1) * sizeof *chosen), *limits = (int64_t *)malloc((q + 1) * sizeof *limits);
  double *bounds = (double *)malloc((q + 1) * sizeof *bounds);
  for (size_t t = 0; t < q; t++) {
    chosen[t] = ids[now->count <= most ? t : below(state, now->count)];
    limits[t] = (int64_t)below(state, now->next + 2);
    bounds[t] = 0.05 + next_uniform(state);
  }
  rct_query query = query_of_ids(chosen, q, 1 + below(state, 9));
  query.exclude_self = below(state, 2) == 0;
  query.traversal = (int32_t)below(state, 4);
  if (below(state, 3) == 0) query.id_limits = rct_index_vector_of(below(state, 2) == 0 ? chosen : limits, q);
  if (below(state, 3) == 0) query.max_distances = rct_vector_of(bounds, q);
  answer found = ask(now->tree, &query);
  check_answer_among(&now->truth, now->live, now->next, &query, &found);
  answer_free(&found);
  free(chosen);
  free(limits);
  free(bounds);
}

static void check_new(const living *now, size_t most, uint64_t *state) {
  const size_t left = now->pool.n - now->next, q = left < most ? left : most;
  if (q == 0) return;
  rct_query query = query_of_coords(now->pool.coords + now->next * now->pool.d, q, now->pool.d, 1 + below(state, 9));
  const rct_data rows = living_rows(now, now->next, q);
  query.factor = rows.factor;
  query.residual_variances = rows.residual_variances;
  query.traversal = (int32_t)below(state, 4);
  answer found = ask(now->tree, &query);
  check_answer_among(&now->truth, now->live, now->next, &query, &found);
  answer_free(&found);
}

static void check_radius(const living *now, const int64_t *ids, uint64_t *state) {
  const size_t q = now->count < 5 ? now->count : 5, k = now->count + 1;
  int64_t chosen[5];
  for (size_t t = 0; t < q; t++) chosen[t] = ids[below(state, now->count)];
  const double radius = 0.1 + next_uniform(state);
  const rct_query query = query_of_ids(chosen, q, 1);
  rct_radius_result *result = NULL;
  rct_radius_view view;
  memset(&view, 0, sizeof view);
  if (!CHECK_OK(rct_radius_batch(now->tree, &query, radius, &result, NULL))) return;
  CHECK_OK(rct_radius_result_view(result, &view));
  CHECK(view.queries == q && view.offsets[q] == view.total);
  /* Room for one more than there is: a k that all of them fit in. */
  int64_t *row = (int64_t *)malloc(k * sizeof *row);
  double *distances = (double *)malloc(k * sizeof *distances);
  for (size_t t = 0; t < q; t++) {
    const size_t from = view.offsets[t], count = view.offsets[t + 1] - from;
    if (!CHECK(count < k)) continue;
    for (size_t j = 0; j < k; j++) {
      row[j] = j < count ? view.ids[from + j] : -1;
      distances[j] = j < count ? view.distances[from + j] : INFINITY;
    }
    CHECK(oracle_agrees(&now->truth, (size_t)chosen[t], now->live, radius, k, row, distances, (int64_t)count));
  }
  free(row);
  free(distances);
  rct_radius_result_free(result);
}

static void check_distances(const living *now, const int64_t *ids, uint64_t *state) {
  enum { PAIRS = 20 };
  int64_t i[PAIRS], j[PAIRS];
  double distances[PAIRS];
  for (size_t t = 0; t < PAIRS; t++) {
    i[t] = ids[below(state, now->count)];
    j[t] = ids[below(state, now->count)];
  }
  CHECK_OK(rct_distances(now->tree, rct_index_vector_of(i, PAIRS), rct_index_vector_of(j, PAIRS),
                         rct_vector_out_of(distances, PAIRS)));
  for (size_t t = 0; t < PAIRS; t++)
    CHECK(oracle_is_distance(&now->truth, (size_t)i[t], (size_t)j[t], distances[t]));
}

void living_check(const living *now, size_t most, uint64_t *state) {
  rct_tree_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(now->tree, &stats));
  CHECK(stats.n == now->count && stats.m == now->truth.m && stats.d == now->pool.d);
  check_new(now, most, state);
  if (now->count == 0) return;
  int64_t *ids = living_ids(now);
  check_stored(now, ids, most, state);
  check_radius(now, ids, state);
  check_distances(now, ids, state);
  free(ids);
}

void living_check_vecchia(const living *now) {
  if (now->count == 0) return;
  int64_t *ids = living_ids(now);
  answer found = ask_vecchia(now->tree, now->count, 5, no_indices());
  check_vecchia(&now->truth, ids, &found);
  answer_free(&found);
  free(ids);
}

answer living_ask(const living *now, size_t k) {
  int64_t *ids = living_ids(now);
  const rct_query query = query_of_ids(ids, now->count, k);
  const answer found = ask(now->tree, &query);
  free(ids);
  return found;
}

void living_check_fresh(const living *now) {
  if (now->count == 0) return;
  const size_t d = now->pool.d, k = 6, width = now->truth.m;
  int64_t *ids = living_ids(now), *places = count_up(now->count);
  double *coords = (double *)malloc((now->count * d + 1) * sizeof *coords);
  double *factor = (double *)malloc((now->count * width + 1) * sizeof *factor);
  double *residuals = (double *)malloc((now->count + 1) * sizeof *residuals);
  for (size_t t = 0; t < now->count; t++) {
    const size_t id = (size_t)ids[t];
    memcpy(coords + t * d, now->pool.coords + id * d, d * sizeof *coords);
    memcpy(factor + t * width, now->truth.factor + id * width, width * sizeof *factor);
    residuals[t] = now->truth.residuals[id];
  }
  rct_data data = data_of(coords, now->count, d);
  if (now->kind == LIVING_INDUCING) data.inducing = now->pool.data.inducing;
  if (is_given(now)) data.factor = rct_row_major(factor, now->count, width);
  if (now->kind == LIVING_FACTOR_AND_RESIDUALS) data.residual_variances = rct_vector_of(residuals, now->count);
  rct_tree *fresh = tree_of(&now->pool.options, &data);
  const rct_query query = query_of_ids(places, now->count, k);
  answer expected = ask(fresh, &query), found = living_ask(now, k);
  for (int vecchia = 0; vecchia < 2; vecchia++) {
    if (vecchia) {
      answer_free(&expected);
      answer_free(&found);
      expected = ask_vecchia(fresh, now->count, k, no_indices());
      found = ask_vecchia(now->tree, now->count, k, no_indices());
    }
    /* The fresh tree's points have their places as ids. */
    for (size_t t = 0; t < now->count * k; t++)
      if (expected.ids[t] >= 0) expected.ids[t] = ids[expected.ids[t]];
    CHECK(answers_equal(&expected, &found));
  }
  answer_free(&expected);
  answer_free(&found);
  rct_free(fresh);
  free(ids);
  free(places);
  free(coords);
  free(factor);
  free(residuals);
}
