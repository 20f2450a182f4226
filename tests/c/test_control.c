/* Progress and cancellation: what the callbacks are told, where they run, and that a stopped call leaves nothing. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

/* Valgrind computes fused multiply-adds in software, and sanitizers mark all memory that is asked for. */
#ifdef RCT_SMALL
enum { N = 250 };
#else
enum { N = 1500 };
#endif
enum { D = 2, M = 25, K = 8 };

/* What the callbacks saw, and when they are to stop. */
typedef struct listener {
  pthread_t caller;
  long reports, questions, stop_at; /* at which question to stop; -1 for never */
  double last;
  int elsewhere, falling, outside; /* calls on another thread, below the last one, not in [0, 1] */
} listener;

static listener listening(long stop_at) {
  listener heard;
  memset(&heard, 0, sizeof heard);
  heard.caller = pthread_self();
  heard.stop_at = stop_at;
  return heard;
}

static void note_progress(double fraction, void *user) {
  listener *heard = (listener *)user;
  heard->reports++;
  heard->elsewhere += !pthread_equal(heard->caller, pthread_self());
  heard->falling += fraction < heard->last;
  heard->outside += !(fraction >= 0.0 && fraction <= 1.0);
  heard->last = fraction;
}

static int32_t stop_when_due(void *user) {
  listener *heard = (listener *)user;
  heard->elsewhere += !pthread_equal(heard->caller, pthread_self());
  /* Any number but 0 stops. */
  return heard->questions++ == heard->stop_at ? -7 : 0;
}

/* A call that listens. Each leaves what it makes in `made`, and nothing there when it is stopped. */
typedef struct work {
  problem given;
  rct_tree *tree;    /* built */
  rct_tree *unbuilt; /* as long as no build succeeds */
  int64_t *ids;
  rct_query query;
  answer room;
  rct_neighbors out;
  rct_radius_result *result;
  int64_t order[N];
  double inducing[M * D];
} work;

static work shared;

static rct_status build(const rct_control *control) {
  return rct_build(shared.unbuilt, &shared.given.data, control);
}
static rct_status query(const rct_control *control) {
  return rct_query_batch(shared.tree, &shared.query, &shared.out, control);
}
static rct_status vecchia(const rct_control *control) {
  return rct_vecchia_neighbors(shared.tree, K, no_indices(), &shared.out, control);
}
static rct_status radius(const rct_control *control) {
  return rct_radius_batch(shared.tree, &shared.query, 0.4, &shared.result, control);
}
static rct_status validate(const rct_control *control) { return rct_validate(shared.tree, control); }
static rct_status hilbert(const rct_control *control) {
  const rct_index_vector_out out = rct_index_vector_out_of(shared.order, N);
  return rct_order(shared.given.data.coords, RCT_ORDERING_HILBERT, 0, out, control);
}
static rct_status maximin(const rct_control *control) {
  const rct_index_vector_out out = rct_index_vector_out_of(shared.order, N);
  return rct_order(shared.given.data.coords, RCT_ORDERING_MAXIMIN, 0, out, control);
}
static rct_status kmeans(const rct_control *control) {
  const rct_matrix_out out = rct_row_major_out(shared.inducing, M, D);
  return rct_select_inducing(shared.given.data.coords, M, RCT_INDUCING_KMEANS_PLUS_PLUS, 1, out, control);
}

typedef rct_status (*listening_call)(const rct_control *);
static const listening_call CALLS[8] = {build, query, vecchia, radius, validate, hilbert, maximin, kmeans};
static const char *const NAMES[8] = {"build",    "query",   "vecchia", "radius",
                                     "validate", "hilbert", "maximin", "kmeans"};

static void prepare(uint32_t threads) {
  shared.given = problem_new(N, D, M, 1);
  shared.given.options.lengthscale = 0.1;
  shared.given.options.threads = threads;
  shared.tree = problem_tree(&shared.given);
  shared.unbuilt = NULL;
  CHECK_OK(rct_create(&shared.given.options, &shared.unbuilt));
  shared.ids = count_up(N);
  shared.query = query_of_ids(shared.ids, N, K);
  shared.room = answer_new(N, K);
  shared.out = answer_out(&shared.room);
  shared.result = NULL;
}

/* As if no call had been made. */
static void clear(void) {
  answer_free(&shared.room);
  shared.room = answer_new(N, K);
  shared.out = answer_out(&shared.room);
  rct_radius_result_free(shared.result);
  shared.result = NULL;
  for (int t = 0; t < N; t++) shared.order[t] = -5;
  for (int t = 0; t < M * D; t++) shared.inducing[t] = -5.0;
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  if (rct_stats(shared.unbuilt, &stats) != RCT_OK) return;
  rct_free(shared.unbuilt);
  shared.unbuilt = NULL;
  CHECK_OK(rct_create(&shared.given.options, &shared.unbuilt));
}

static int is_clear(void) {
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  int clear = answer_untouched(&shared.room) && shared.result == NULL;
  for (int t = 0; t < N; t++) clear &= shared.order[t] == -5;
  for (int t = 0; t < M * D; t++) clear &= shared.inducing[t] == -5.0;
  return clear && rct_stats(shared.unbuilt, &stats) == RCT_ERROR_INVALID_STATE;
}

static void forget(void) {
  clear();
  answer_free(&shared.room);
  rct_free(shared.unbuilt);
  rct_free(shared.tree);
  free(shared.ids);
  problem_free(&shared.given);
}

static void progress_rises_to_1_on_the_calling_thread(void) {
  for (uint32_t threads = 1; threads <= 3; threads++) {
    prepare(threads);
    for (int c = 0; c < 8; c++) {
      check_context("%s, %d threads", NAMES[c], (int)threads);
      listener heard = listening(-1);
      const rct_control control = control_of(note_progress, stop_when_due, &heard);
      CHECK_OK(CALLS[c](&control));
      CHECK(heard.reports > 0 && heard.questions > 0);
      CHECK(heard.last == 1.0);
      CHECK(heard.falling == 0);
      CHECK(heard.outside == 0);
      CHECK(heard.elsewhere == 0);
    }
    forget();
  }
}

static void either_callback_may_be_absent(void) {
  prepare(2);
  for (int c = 0; c < 8; c++) {
    clear();
    check_context("%s", NAMES[c]);
    listener heard = listening(-1);
    rct_control control = control_of(note_progress, NULL, &heard);
    CHECK_OK(CALLS[c](&control));
    CHECK(heard.last == 1.0 && heard.questions == 0);
    clear();
    heard = listening(-1);
    control = control_of(NULL, stop_when_due, &heard);
    CHECK_OK(CALLS[c](&control));
    CHECK(heard.reports == 0 && heard.questions > 0);
    clear();
    control = control_of(NULL, NULL, NULL);
    CHECK_OK(CALLS[c](&control));
  }
  forget();
}

/* What a call made: compared before and after others were stopped. */
static int same_work(const answer *found, const int64_t *order, const double *inducing) {
  return answers_equal(found, &shared.room) && memcmp(order, shared.order, sizeof shared.order) == 0 &&
         memcmp(inducing, shared.inducing, sizeof shared.inducing) == 0;
}

static void a_stopped_call_leaves_nothing_and_can_be_repeated(void) {
  static int64_t order[N];
  static double inducing[M * D];
  for (uint32_t threads = 1; threads <= 3; threads += 2) {
    prepare(threads);
    for (int c = 0; c < 8; c++) {
      clear();
      CHECK_OK(CALLS[c](NULL));
      answer expected = shared.room;
      shared.room = answer_new(N, K);
      memcpy(order, shared.order, sizeof order);
      memcpy(inducing, shared.inducing, sizeof inducing);
      clear();
      /* At the first question, the second, the fourth, ... until the call ends before. */
      for (long stop_at = 0, stopped = 1; stopped; stop_at = stop_at == 0 ? 1 : 2 * stop_at) {
        check_context("%s, %d threads, stop at %ld", NAMES[c], (int)threads, stop_at);
        listener heard = listening(stop_at);
        const rct_control control = control_of(note_progress, stop_when_due, &heard);
        const rct_status status = CALLS[c](&control);
        stopped = status != RCT_OK;
        CHECK(stopped == (heard.questions > stop_at));
        if (!stopped) break;
        CHECK(status == RCT_ERROR_CANCELLED && strstr(rct_last_error(), "should_stop") != NULL);
        CHECK(heard.questions == stop_at + 1);
        CHECK(is_clear());
      }
      CHECK(same_work(&expected, order, inducing));
      answer_free(&expected);
    }
    /* The tree that was built, and the one whose builds were stopped. */
    clear();
    for (long stop_at = 0; stop_at < 2; stop_at++) {
      listener heard = listening(stop_at);
      const rct_control control = control_of(NULL, stop_when_due, &heard);
      CHECK_STATUS(build(&control), RCT_ERROR_CANCELLED, "should_stop");
    }
    CHECK_OK(build(NULL));
    answer expected = ask(shared.tree, &shared.query), found = ask(shared.unbuilt, &shared.query);
    CHECK(answers_equal(&expected, &found));
    CHECK_OK(rct_validate(shared.unbuilt, NULL));
    answer_free(&expected);
    answer_free(&found);
    forget();
  }
}

int main(void) {
  RUN(progress_rises_to_1_on_the_calling_thread);
  RUN(either_callback_may_be_absent);
  RUN(a_stopped_call_leaves_nothing_and_can_be_repeated);
  return check_report();
}
