/* Calls that another thread cancels at moments nobody chose; the trees then answer as if nothing had happened. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "check.h"
#include "problem.h"
#include "scratch.h"

/* Valgrind computes fused multiply-adds in software, and sanitizers mark all memory that is asked for. */
#ifdef RCT_SMALL
enum { N = 120, ROUNDS = 3 };
#else
enum { N = 1500, ROUNDS = 36 };
#endif
enum { D = 2, M = 30, K = 8, MORE = N / 4, FEWER = N / 2 };

/* A flag that one thread raises, after so many nanoseconds, while the call of another one looks at it. */
typedef struct alarm_clock {
  pthread_mutex_t lock;
  int rung;
  long nanoseconds;
} alarm_clock;

static int32_t has_rung(void *user) {
  alarm_clock *clock = (alarm_clock *)user;
  pthread_mutex_lock(&clock->lock);
  const int rung = clock->rung;
  pthread_mutex_unlock(&clock->lock);
  return rung;
}

static void *wait_and_ring(void *user) {
  alarm_clock *clock = (alarm_clock *)user;
  const struct timespec pause = {0, clock->nanoseconds};
  nanosleep(&pause, NULL);
  pthread_mutex_lock(&clock->lock);
  clock->rung = 1;
  pthread_mutex_unlock(&clock->lock);
  return NULL;
}

static long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A tree, what it answers, and one that is never built but by a cancelled build. */
typedef struct subject {
  problem given;
  rct_tree *tree, *fresh;
  rct_query query;
  rct_neighbors out;
} subject;

typedef rct_status (*verb)(const subject *, const rct_control *);

static rct_status build(const subject *on, const rct_control *control) {
  return rct_build(on->fresh, &on->given.data, control);
}
static rct_status ask_all(const subject *on, const rct_control *control) {
  return rct_query_batch(on->tree, &on->query, &on->out, control);
}
static rct_status vecchia(const subject *on, const rct_control *control) {
  return rct_vecchia_neighbors(on->tree, K, no_indices(), &on->out, control);
}

static const verb VERBS[3] = {build, ask_all, vecchia};
static const char *const NAMES[3] = {"build", "query", "vecchia"};

static void new_tree(subject *on) {
  rct_free(on->fresh);
  on->fresh = NULL;
  CHECK_OK(rct_create(&on->given.options, &on->fresh));
}

static void cancelled_at_random_moments(void) {
  uint64_t state = 11;
  long cancelled = 0, finished = 0;
  for (uint32_t threads = 1; threads <= 3; threads++) {
    subject on;
    on.given = problem_new(N, D, M, threads);
    on.given.options.lengthscale = 0.1;
    on.given.options.threads = threads;
    on.tree = problem_tree(&on.given);
    on.fresh = NULL;
    int64_t *ids = count_up(N);
    on.query = query_of_ids(ids, N, K);
    answer expected[3] = {ask(on.tree, &on.query), ask(on.tree, &on.query), ask_vecchia(on.tree, N, K, no_indices())};
    for (int v = 0; v < 3; v++) {
      new_tree(&on);
      answer whole = answer_new(N, K);
      on.out = answer_out(&whole);
      const long begin = nanoseconds();
      CHECK_OK(VERBS[v](&on, NULL));
      const long duration = nanoseconds() - begin;
      answer_free(&whole);
      new_tree(&on);
      for (int round = 0; round < ROUNDS; round++) {
        check_context("%s, %d threads, round %d", NAMES[v], (int)threads, round);
        answer room = answer_new(N, K);
        on.out = answer_out(&room);
        /* Mostly within the call, at times after its end. */
        const long moment = (long)(1.1 * next_uniform(&state) * (double)duration) % 999999999;
        alarm_clock clock = {PTHREAD_MUTEX_INITIALIZER, 0, moment};
        const rct_control control = control_of(NULL, has_rung, &clock);
        pthread_t ringer;
        CHECK(pthread_create(&ringer, NULL, wait_and_ring, &clock) == 0);
        const rct_status status = VERBS[v](&on, &control);
        CHECK(pthread_join(ringer, NULL) == 0);
        if (status == RCT_OK) {
          finished++;
          CHECK(v == 0 || answers_equal(&room, &expected[v]));
          if (v == 0) new_tree(&on);
        } else {
          cancelled++;
          CHECK(status == RCT_ERROR_CANCELLED && strstr(rct_last_error(), "should_stop") != NULL);
          CHECK(answer_untouched(&room));
        }
        answer_free(&room);
        /* The same handles, used again. */
        if (round % 6 != 0) continue;
        if (v == 0) {
          CHECK_OK(rct_build(on.fresh, &on.given.data, NULL));
          answer found = ask(on.fresh, &on.query);
          CHECK(answers_equal(&found, &expected[1]));
          answer_free(&found);
          new_tree(&on);
        } else {
          answer found = v == 1 ? ask(on.tree, &on.query) : ask_vecchia(on.tree, N, K, no_indices());
          CHECK(answers_equal(&found, &expected[v]));
          answer_free(&found);
        }
      }
    }
    CHECK_OK(rct_validate(on.tree, NULL));
    for (int v = 0; v < 3; v++) answer_free(&expected[v]);
    rct_free(on.tree);
    rct_free(on.fresh);
    free(ids);
    problem_free(&on.given);
  }
  check_context("%ld calls cancelled, %ld finished", cancelled, finished);
  CHECK(cancelled > 0);
}

/* A tree that changes, is saved and loaded; `saved` is what it was at first. */
typedef struct changing {
  problem given;
  rct_options other; /* for a refit */
  double *more;      /* MORE points to insert */
  int64_t *ids;      /* of all points, those to remove first */
  const char *path;
  rct_tree *tree;
  rct_buffer *saved;
  /* What comes out of a call. */
  int64_t first;
  rct_buffer *buffer;
  rct_tree *loaded;
} changing;

enum { INSERT, REMOVE, REFIT, SAVE, SAVE_TO_BUFFER, LOAD, LOAD_FROM_BUFFER, CHANGES };
static const char *const CHANGE_NAMES[CHANGES] = {"insert", "remove", "refit", "save", "save to buffer", "load",
                                                  "load from buffer"};

/* The tree as it was at first; NULL where that fails. */
static rct_tree *from_buffer(const changing *on, const rct_control *control, rct_status *status) {
  rct_tree *tree = NULL;
  const uint8_t *bytes = NULL;
  size_t len = 0;
  CHECK_OK(rct_buffer_view(on->saved, &bytes, &len));
  *status = rct_load_from_buffer(bytes, len, NULL, &tree, control);
  return tree;
}

static rct_status make_change(changing *on, int change, const rct_control *control) {
  rct_status status = RCT_OK;
  const rct_data more = data_of(on->more, MORE, D);
  on->first = -5;
  on->buffer = NULL;
  on->loaded = NULL;
  switch (change) {
    case INSERT: return rct_insert_batch(on->tree, &more, &on->first, control);
    case REMOVE: return rct_remove_batch(on->tree, rct_index_vector_of(on->ids, FEWER), control);
    case REFIT: return rct_refit(on->tree, &on->other, NULL, control);
    case SAVE: return rct_save(on->tree, on->path, control);
    case SAVE_TO_BUFFER: return rct_save_to_buffer(on->tree, &on->buffer, control);
    case LOAD: return rct_load(on->path, NULL, &on->loaded, control);
    default: on->loaded = from_buffer(on, control, &status); return status;
  }
}

/* The tree, or the one that was loaded, asked for the points that no change removes. */
static answer ask_changed(const changing *on) {
  const rct_query query = query_of_ids(on->ids + FEWER, N - FEWER, K);
  return ask(on->loaded != NULL ? on->loaded : on->tree, &query);
}

/* Frees what a call made, and puts the tree as it was at first back. */
static void undo(changing *on) {
  rct_status status;
  rct_free(on->loaded);
  rct_buffer_free(on->buffer);
  on->loaded = NULL;
  on->buffer = NULL;
  rct_free(on->tree);
  on->tree = from_buffer(on, NULL, &status);
  CHECK(status == RCT_OK);
}

static void check_stopped(const changing *on, rct_status status, const answer *before) {
  CHECK(status == RCT_ERROR_CANCELLED && strstr(rct_last_error(), "should_stop") != NULL);
  CHECK(on->first == -5 && on->buffer == NULL && on->loaded == NULL && scratch_files() == 1);
  answer found = ask_changed(on);
  CHECK(answers_equal(&found, before));
  answer_free(&found);
}

/* Asks how often it is asked, or to stop when it has been asked `left` times. */
typedef struct counter {
  long asked, left;
} counter;

static int has_run_out(void *user) {
  counter *own = (counter *)user;
  return own->asked++ >= own->left;
}

static void changes_cancelled_at_random_moments(void) {
  uint64_t state = 12;
  long cancelled[CHANGES] = {0};
  scratch_open();
  for (uint32_t threads = 1; threads <= 2; threads++) {
    changing on;
    memset(&on, 0, sizeof on);
    on.given = problem_new(N, D, M, threads);
    on.given.options.lengthscale = 0.1;
    on.given.options.threads = threads;
    on.other = on.given.options;
    on.other.lengthscale = 0.15;
    on.more = uniform_array(MORE * D, 3);
    on.ids = shuffled(N, 4);
    on.path = scratch_path("cancel.rct");
    on.tree = problem_tree(&on.given);
    CHECK_OK(rct_save_to_buffer(on.tree, &on.saved, NULL));
    CHECK_OK(rct_save(on.tree, on.path, NULL));
    answer before = ask_changed(&on);
    for (int change = 0; change < CHANGES; change++) {
      check_context("%s, %d threads", CHANGE_NAMES[change], (int)threads);
      counter count = {0, 1000000};
      const rct_control counting = control_of(NULL, has_run_out, &count);
      const long begin = nanoseconds();
      CHECK_OK(make_change(&on, change, &counting));
      const long duration = nanoseconds() - begin;
      answer after = ask_changed(&on);
      undo(&on);
      for (int round = 0; round < ROUNDS; round++) {
        check_context("%s, %d threads, round %d", CHANGE_NAMES[change], (int)threads, round);
        const long moment = (long)(1.1 * next_uniform(&state) * (double)duration) % 999999999;
        alarm_clock clock = {PTHREAD_MUTEX_INITIALIZER, 0, moment};
        /* Some calls are over before a clock rings: every other round counts questions, and the first stops at once. */
        const int counts = round % 2 == 0;
        counter fuse = {0, round == 0 ? 0 : (long)(next_uniform(&state) * (double)count.asked)};
        const rct_control control = counts ? control_of(NULL, has_run_out, &fuse) : control_of(NULL, has_rung, &clock);
        pthread_t ringer;
        CHECK(pthread_create(&ringer, NULL, wait_and_ring, &clock) == 0);
        const rct_status status = make_change(&on, change, &control);
        CHECK(pthread_join(ringer, NULL) == 0);
        if (status != RCT_OK) {
          cancelled[change]++;
          check_stopped(&on, status, &before);
          if (round % 6 != 0) continue;
          CHECK_OK(rct_validate(on.tree, NULL));
          CHECK_OK(make_change(&on, change, NULL));
        }
        answer found = ask_changed(&on);
        CHECK(answers_equal(&found, &after) && (change != INSERT || on.first == N));
        answer_free(&found);
        undo(&on);
      }
      answer_free(&after);
    }
    answer_free(&before);
    rct_free(on.tree);
    rct_buffer_free(on.saved);
    free(on.more);
    free(on.ids);
    problem_free(&on.given);
  }
  scratch_close();
  for (int change = 0; change < CHANGES; change++) {
    check_context("%s, cancelled %ld times", CHANGE_NAMES[change], cancelled[change]);
    CHECK(cancelled[change] > 0);
  }
}

int main(void) {
  RUN(cancelled_at_random_moments);
  RUN(changes_cancelled_at_random_moments);
  return check_report();
}
