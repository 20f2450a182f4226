/* Nothing at all, which is answered with nothing: batches of no ids, no points or no pairs, and trees of which all
 * points were removed. "Given, empty" is a pointer with length 0, and outputs of no elements may be NULL. */
#include <stdlib.h>

#include "answer.h"
#include "check.h"
#include "living.h"
#include "problem.h"

enum { N = 30, D = 2, M = 4, K = 3 };

static double number[1] = {0.5};
static int64_t id[1] = {7};

/* Outputs that are absent, and outputs that are there but have no rows. */
static rct_neighbors no_output(void) {
  rct_neighbors out = {rct_index_row_major_out(NULL, 0, 0), rct_row_major_out(NULL, 0, 0),
                       rct_index_vector_out_of(NULL, 0)};
  return out;
}

static rct_neighbors output_of_no_rows(void) {
  rct_neighbors out = {rct_index_row_major_out(id, 0, K), rct_row_major_out(number, 0, K),
                       rct_index_vector_out_of(id, 0)};
  return out;
}

/* Query and radius of no queries. */
static void check_no_queries(const rct_tree *tree, const rct_query *query) {
  const rct_neighbors none = no_output(), empty = output_of_no_rows();
  CHECK_OK(rct_query_batch(tree, query, &none, NULL));
  CHECK_OK(rct_query_batch(tree, query, &empty, NULL));
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(tree, &stats));
  CHECK(stats.queries == 0);
  rct_radius_result *result = NULL;
  rct_query plain = *query;
  plain.max_distances = no_vector();
  if (!CHECK_OK(rct_radius_batch(tree, &plain, 0.5, &result, NULL))) return;
  rct_radius_view view;
  CHECK_OK(rct_radius_result_view(result, &view));
  CHECK(view.queries == 0 && view.total == 0 && view.offsets[0] == 0);
  rct_radius_result_free(result);
}

static void queries_of_nothing(void) {
  for (int kind = LIVING_INDUCING; kind < LIVING_KINDS; kind++) {
    check_context("kind %d", kind);
    living now = living_new((living_kind)kind, N, N, D, M, 1);
    for (int32_t traversal = RCT_TRAVERSAL_AUTO; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
      rct_query query = query_of_ids(id, 0, K);
      query.traversal = traversal;
      check_no_queries(now.tree, &query);
      /* Bounds of none, and of all of them. */
      query.id_limits = rct_index_vector_of(id, 0);
      query.max_distances = rct_vector_of(number, 0);
      check_no_queries(now.tree, &query);
      query.id_limits.len = query.max_distances.len = 1;
      check_no_queries(now.tree, &query);
      query = query_of_coords(number, 0, D, K);
      query.traversal = traversal;
      if (kind == LIVING_FACTOR || kind == LIVING_FACTOR_AND_RESIDUALS) query.factor = rct_row_major(number, 0, M);
      if (kind == LIVING_FACTOR_AND_RESIDUALS) query.residual_variances = rct_vector_of(number, 0);
      check_no_queries(now.tree, &query);
    }
    living_free(&now);
  }
}

static void pairs_of_nothing(void) {
  problem given = problem_new(N, D, M, 2);
  rct_tree *tree = problem_tree(&given);
  const rct_index_vector none = rct_index_vector_of(id, 0);
  CHECK_OK(rct_distances(tree, none, none, rct_vector_out_of(NULL, 0)));
  CHECK_OK(rct_distances(tree, none, none, rct_vector_out_of(number, 0)));
  CHECK_OK(rct_correlations(tree, none, none, rct_vector_out_of(NULL, 0)));
  CHECK_OK(rct_correlations(tree, none, none, rct_vector_out_of(number, 0)));
  /* Absent is not empty. */
  const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT;
  CHECK_STATUS(rct_distances(tree, no_indices(), none, rct_vector_out_of(NULL, 0)), invalid, "i |NULL");
  CHECK_STATUS(rct_distances(tree, none, no_indices(), rct_vector_out_of(NULL, 0)), invalid, "j |NULL");
  CHECK_STATUS(rct_distances(tree, none, none, rct_vector_out_of(number, 1)), invalid, "distances|1|0");
  rct_free(tree);
  problem_free(&given);
}

static void nothing_to_insert_or_remove(void) {
  for (int kind = LIVING_INDUCING; kind < LIVING_KINDS; kind++) {
    check_context("kind %d", kind);
    living now = living_new((living_kind)kind, N, N + 5, D, M, 3);
    answer before = living_ask(&now, K);
    rct_data none = living_rows(&now, N, 0);
    int64_t first = -5;
    CHECK_OK(rct_insert_batch(now.tree, &none, &first, NULL));
    CHECK(first == N);
    CHECK_OK(rct_insert_batch(now.tree, &none, NULL, NULL));
    CHECK_OK(rct_remove_batch(now.tree, rct_index_vector_of(id, 0), NULL));
    none.coords.cols = D + 1;
    CHECK_STATUS(rct_insert_batch(now.tree, &none, &first, NULL), RCT_ERROR_INVALID_ARGUMENT, "coords|3|2");
    answer after = living_ask(&now, K);
    CHECK(answers_equal(&before, &after));
    answer_free(&before);
    answer_free(&after);
    CHECK_OK(rct_validate(now.tree, NULL));
    /* The next has the id that was told. */
    living_insert(&now, 5);
    uint64_t state = 4;
    living_check(&now, 10, &state);
    living_free(&now);
  }
}

static void an_order_of_nothing(void) {
  for (int32_t ordering = RCT_ORDERING_NATURAL; ordering <= RCT_ORDERING_RANDOM; ordering++) {
    check_context("ordering %d", (int)ordering);
    const rct_matrix none = rct_row_major(number, 0, D);
    CHECK_OK(rct_order(none, ordering, 1, rct_index_vector_out_of(NULL, 0), NULL));
    CHECK_OK(rct_order(none, ordering, 1, rct_index_vector_out_of(id, 0), NULL));
    CHECK_STATUS(rct_order(none, ordering, 1, rct_index_vector_out_of(id, 1), NULL), RCT_ERROR_INVALID_ARGUMENT,
                 "order|1|0");
    CHECK_STATUS(rct_order(no_matrix(), ordering, 1, rct_index_vector_out_of(NULL, 0), NULL),
                 RCT_ERROR_INVALID_ARGUMENT, "coords|NULL");
  }
}

/* Removes all points; the tree answers with nothing. */
static void empty(living *now) {
  int64_t *ids = living_ids(now);
  living_remove(now, ids, now->count);
  free(ids);
  const rct_neighbors none = no_output(), rows = output_of_no_rows();
  CHECK_OK(rct_vecchia_neighbors(now->tree, K, no_indices(), &none, NULL));
  CHECK_OK(rct_vecchia_neighbors(now->tree, K, rct_index_vector_of(id, 0), &rows, NULL));
  CHECK_OK(rct_validate(now->tree, NULL));
}

/* A tree without points lives on: it is refitted, saved, loaded, refitted again, and inserted into. */
static void trees_without_points(void) {
  for (int kind = LIVING_INDUCING; kind < LIVING_KINDS; kind++) {
    check_context("kind %d", kind);
    living now = living_new((living_kind)kind, N, 3 * N, D, M, 5);
    rct_options options = now.pool.options;
    empty(&now);
    if (kind == LIVING_FACTOR || kind == LIVING_FACTOR_AND_RESIDUALS) {
      /* A factor of no rows is that of all points, an absent one is not. */
      rct_data model = data_of(NULL, 0, 0);
      CHECK_STATUS(rct_refit(now.tree, &options, NULL, NULL), RCT_ERROR_INVALID_ARGUMENT, "factor|missing");
      model.factor = rct_row_major(now.truth.factor, 1, M);
      CHECK_STATUS(rct_refit(now.tree, &options, &model, NULL), RCT_ERROR_INVALID_ARGUMENT, "factor|1 rows|0");
    }
    options.lengthscale = 0.45;
    living_refit(&now, &options, NULL, 0);
    for (int round = 0; round < 2; round++) {
      rct_buffer *saved = NULL;
      if (CHECK_OK(rct_save_to_buffer(now.tree, &saved, NULL))) {
        const uint8_t *bytes = NULL;
        size_t len = 0;
        rct_tree *loaded = NULL;
        CHECK_OK(rct_buffer_view(saved, &bytes, &len));
        if (CHECK_OK(rct_load_from_buffer(bytes, len, NULL, &loaded, NULL))) living_replace(&now, loaded);
        rct_buffer_free(saved);
      }
      living_insert(&now, N);
      uint64_t state = 6;
      living_check(&now, 20, &state);
      living_check_vecchia(&now);
      living_check_fresh(&now);
      CHECK_OK(rct_validate(now.tree, NULL));
      empty(&now);
    }
    living_free(&now);
  }
}

int main(void) {
  RUN(queries_of_nothing);
  RUN(pairs_of_nothing);
  RUN(nothing_to_insert_or_remove);
  RUN(an_order_of_nothing);
  RUN(trees_without_points);
  return check_report();
}
