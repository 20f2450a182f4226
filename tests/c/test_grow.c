/* Trees that live: points arrive and leave, parameters change, and all answers are those of a tree built at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "living.h"

/* Valgrind computes fused multiply-adds in software, and sanitizers mark all memory that is asked for. */
#ifdef RCT_SMALL
enum { N = 60, POOL = 150, BATCHES = 8, STEP = 16 };
#else
enum { N = 150, POOL = 500, BATCHES = 30, STEP = 24 };
#endif
enum { D = 2, M = 8 };

static const char *const kinds[LIVING_KINDS] = {"inducing", "factor", "factor and residuals", "correlation",
                                                "Euclidean"};

static size_t below(uint64_t *state, size_t bound) { return (size_t)(next_uniform(state) * (double)bound); }

/* Everything that can be checked. */
static void check_all(const living *now, uint64_t *state) {
  living_check(now, 40, state);
  living_check_vecchia(now);
  living_check_fresh(now);
  CHECK_OK(rct_validate(now->tree, NULL));
}

/* `count` ids of points that are there, each once, in any order; to be freed. */
static int64_t *some_ids(const living *now, size_t count, uint64_t *state) {
  int64_t *ids = living_ids(now);
  for (size_t t = 0; t < count; t++) {
    const size_t other = t + below(state, now->count - t);
    const int64_t swapped = ids[t];
    ids[t] = ids[other];
    ids[other] = swapped;
  }
  return ids;
}

static void points_arrive_and_leave(void) {
  for (int kind = 0; kind < LIVING_KINDS; kind++) {
    uint64_t state = 100 + (uint64_t)kind;
    living now = living_new((living_kind)kind, N, POOL, D, M, 5 + (uint64_t)kind);
    for (int batch = 0; batch < BATCHES; batch++) {
      check_context("%s, batch %d", kinds[kind], batch);
      const size_t count = 1 + below(&state, STEP);
      if (below(&state, 2) == 0 && now.next + count < POOL) {
        living_insert(&now, count);
      } else {
        const size_t fewer = count < now.count ? count : now.count - 1;
        int64_t *ids = some_ids(&now, fewer, &state);
        living_remove(&now, ids, fewer);
        free(ids);
      }
      living_check(&now, 40, &state);
      if (batch % 5 == 0) check_all(&now, &state);
    }
    check_all(&now, &state);
    living_free(&now);
  }
}

static void one_point_at_a_time(void) {
  uint64_t state = 1;
  living now = living_new(LIVING_INDUCING, 1, 40, D, M, 9);
  for (int t = 0; t < 30; t++) {
    check_context("point %d", t);
    living_insert(&now, 1);
    living_check_fresh(&now);
  }
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(now.tree, &stats));
  CHECK(stats.n == 31 && stats.parts >= 1 && stats.parts <= 6);
  check_all(&now, &state);
  living_free(&now);
}

/* The last points go and others come: their ids are new ones. */
static void ids_are_never_used_again(void) {
  uint64_t state = 2;
  living now = living_new(LIVING_FACTOR, 20, 60, D, M, 10);
  int64_t last[5] = {19, 15, 17, 16, 18};
  living_remove(&now, last, 5);
  living_insert(&now, 3); /* checks that the first has id 20 */
  check_all(&now, &state);
  const int64_t gone[1] = {17};
  answer room = answer_new(1, 2);
  const rct_neighbors out = answer_out(&room);
  const rct_query query = query_of_ids(gone, 1, 2);
  CHECK_STATUS(rct_query_batch(now.tree, &query, &out, NULL), RCT_ERROR_INVALID_ARGUMENT, "ids[0]|17|removed");
  CHECK(answer_untouched(&room));
  answer_free(&room);
  living_free(&now);
}

static int32_t stop_at_once(void *user) {
  (void)user;
  return 1;
}

static void all_points_leave_and_others_come(void) {
  for (int kind = 0; kind < LIVING_KINDS; kind++) {
    check_context("%s", kinds[kind]);
    uint64_t state = 3;
    living now = living_new((living_kind)kind, 30, 90, D, M, 11);
    int64_t *ids = living_ids(&now);
    const rct_control stop = control_of(NULL, stop_at_once, NULL);
    CHECK_STATUS(rct_remove_batch(now.tree, rct_index_vector_of(ids, 30), &stop), RCT_ERROR_CANCELLED, "should_stop");
    living_check_fresh(&now);
    living_remove(&now, ids, 30);
    free(ids);
    living_check(&now, 10, &state); /* new points have no neighbours */
    CHECK_OK(rct_validate(now.tree, NULL));
    rct_tree_stats stats;
    stats.struct_size = sizeof stats;
    CHECK_OK(rct_stats(now.tree, &stats));
    CHECK(stats.n == 0 && stats.parts == 0 && stats.removed == 0);
    living_insert(&now, 12);
    check_all(&now, &state);
    living_free(&now);
  }
}

static void first_id_may_be_null(void) {
  living now = living_new(LIVING_INDUCING, 20, 40, D, M, 12);
  const rct_data data = living_rows(&now, 20, 7);
  CHECK_OK(rct_insert_batch(now.tree, &data, NULL, NULL));
  living_note_inserted(&now, 7);
  living_check_fresh(&now);
  living_free(&now);
}

/* Options of a fit's next step: another kernel, lengthscale, variance. */
static rct_options next_step(rct_options options, int step) {
  options.lengthscale = 0.2 + 0.05 * (step % 5);
  options.variance = 0.5 + step;
  options.kernel = step % 4;
  options.jitter = step % 3 == 0 ? 1e-6 : 1e-5;
  return options;
}

static void parameters_change(void) {
  for (int kind = 0; kind < LIVING_KINDS; kind++) {
    uint64_t state = 4;
    living now = living_new((living_kind)kind, N, POOL, D, M, 13);
    double *others = uniform_array(2 * M * D, 14);
    for (int step = 0; step < 8; step++) {
      check_context("%s, step %d", kinds[kind], step);
      const rct_options options = next_step(now.pool.options, step);
      /* Now and then other inducing points, more or fewer of them; in between points arrive and leave. */
      const int inducing = kind < LIVING_CORRELATION && step % 3 == 1;
      living_refit(&now, &options, inducing ? others + step : NULL, M - 3 + (size_t)step);
      rct_tree_stats stats;
      stats.struct_size = sizeof stats;
      CHECK_OK(rct_stats(now.tree, &stats));
      CHECK(stats.parts == 1 && stats.removed == 0);
      check_all(&now, &state);
      if (step % 2 == 0) living_insert(&now, 9);
      int64_t *ids = some_ids(&now, 5, &state);
      if (step % 3 == 0) living_remove(&now, ids, 5);
      free(ids);
      living_check(&now, 40, &state);
    }
    free(others);
    living_free(&now);
  }
}

/* All else that options may change. */
static void a_refit_with_other_construction_order_and_threads(void) {
  uint64_t state = 5;
  living now = living_new(LIVING_INDUCING, N, POOL, D, M, 15);
  const double lengthscales[D] = {0.2, 0.35};
  for (int step = 0; step < 8; step++) {
    check_context("step %d", step);
    rct_options options = now.pool.options;
    options.construction = step & 1;
    options.ordering = step >> 1 & 1;
    options.threads = (uint32_t)(1 + step % 3);
    options.traversal = step % 4;
    options.lengthscales = step % 2 == 0 ? no_vector() : rct_vector_of(lengthscales, D);
    living_refit(&now, &options, NULL, 0);
    check_all(&now, &state);
  }
  living_free(&now);
}

/* A factor in place of inducing points, and the other way round. */
static void a_refit_changes_where_v_comes_from(void) {
  uint64_t state = 6;
  living now = living_new(LIVING_INDUCING, 50, 80, D, M, 16);
  rct_options options = next_step(now.pool.options, 3);
  now.kind = LIVING_FACTOR_AND_RESIDUALS;
  living_refit(&now, &options, NULL, 0);
  check_all(&now, &state);
  living_insert(&now, 10);
  check_all(&now, &state);
  /* Without data the caller's factor cannot be known. */
  CHECK_STATUS(rct_refit(now.tree, &options, NULL, NULL), RCT_ERROR_INVALID_ARGUMENT, "factor|missing|caller");
  living_check_fresh(&now);
  now.kind = LIVING_INDUCING;
  double *inducing = uniform_array(M * D, 17);
  options = next_step(options, 5);
  living_refit(&now, &options, inducing, M);
  check_all(&now, &state);
  living_insert(&now, 10);
  check_all(&now, &state);
  free(inducing);
  living_free(&now);
}

typedef struct listener {
  double last;
  int calls, went_back;
} listener;

static void listen(double fraction, void *user) {
  listener *heard = (listener *)user;
  heard->went_back |= fraction < heard->last || fraction < 0.0 || fraction > 1.0;
  heard->last = fraction;
  heard->calls++;
}

static rct_status change(const living *now, int verb, int64_t *first, const int64_t *gone, const rct_control *control) {
  const rct_data data = living_rows(now, now->next, 20);
  const rct_options options = next_step(now->pool.options, 2);
  if (verb == 0) return rct_insert_batch(now->tree, &data, first, control);
  if (verb == 1) return rct_remove_batch(now->tree, rct_index_vector_of(gone, 10), control);
  return rct_refit(now->tree, &options, NULL, control);
}

static void progress_and_cancellation(void) {
  const int64_t gone[10] = {3, 1, 4, 15, 9, 2, 6, 5, 35, 8};
  const rct_control stop = control_of(NULL, stop_at_once, NULL);
  for (int verb = 0; verb < 3; verb++) {
    check_context("verb %d", verb);
    living now = living_new(LIVING_INDUCING, N, POOL, D, M, 18);
    answer before = living_ask(&now, 5);
    int64_t first = -5;
    CHECK_STATUS(change(&now, verb, &first, gone, &stop), RCT_ERROR_CANCELLED, "should_stop");
    answer after = living_ask(&now, 5);
    CHECK(first == -5 && answers_equal(&before, &after));
    CHECK_OK(rct_validate(now.tree, NULL));
    answer_free(&after);
    answer_free(&before);
    listener heard = {0.0, 0, 0};
    const rct_control control = control_of(listen, NULL, &heard);
    CHECK_OK(change(&now, verb, &first, gone, &control));
    CHECK(first == (verb == 0 ? N : -5));
    CHECK(heard.calls > 0 && !heard.went_back && heard.last == 1.0);
    living_free(&now);
  }
}

int main(void) {
  RUN(points_arrive_and_leave);
  RUN(one_point_at_a_time);
  RUN(ids_are_never_used_again);
  RUN(all_points_leave_and_others_come);
  RUN(first_id_may_be_null);
  RUN(parameters_change);
  RUN(a_refit_with_other_construction_order_and_threads);
  RUN(a_refit_changes_where_v_comes_from);
  RUN(progress_and_cancellation);
  return check_report();
}
