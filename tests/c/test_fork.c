/* Children forked while other threads are at work: they ask a tree that those are asking, and build their own. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "check.h"
#include "problem.h"
#include "scratch.h"

enum { N = 400, D = 2, M = 12, K = 5, ASKERS = 3, CHILDREN = 40, STARTS = 150, FEW = 4, MANY = 3000 };

/* Seconds that a child may take; it would wait for ever for a lock that a thread of its parent's held. */
enum { PATIENCE = 60 };

static problem small_problem(uint32_t threads) {
  problem given = problem_new(N, D, M, 1);
  given.options.lengthscale = 0.1;
  given.options.threads = threads;
  return given;
}

/* The threads that do not fork go on until they are told to stop. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int stopped, wrong;

static int is_stopped(void) {
  pthread_mutex_lock(&lock);
  const int is = stopped;
  pthread_mutex_unlock(&lock);
  return is;
}

static void stop(void) {
  pthread_mutex_lock(&lock);
  stopped = 1;
  pthread_mutex_unlock(&lock);
}

static void note(int agreed) {
  pthread_mutex_lock(&lock);
  wrong += !agreed;
  pthread_mutex_unlock(&lock);
}

typedef struct shared_tree {
  problem given;
  rct_tree *tree;
  rct_query query;
  answer expected;
} shared_tree;

static void *keep_asking(void *argument) {
  const shared_tree *shared = (const shared_tree *)argument;
  answer room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  while (!is_stopped()) {
    note(rct_query_batch(shared->tree, &shared->query, &out, NULL) == RCT_OK && answers_equal(&room, &shared->expected));
  }
  answer_free(&room);
  return NULL;
}

static void *keep_building(void *argument) {
  const shared_tree *shared = (const shared_tree *)argument;
  while (!is_stopped()) {
    rct_tree *tree = NULL;
    note(rct_create(&shared->given.options, &tree) == RCT_OK && rct_build(tree, &shared->given.data, NULL) == RCT_OK);
    rct_free(tree);
  }
  return NULL;
}

static void check_child(pid_t child) {
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The tree of the parent's, and one of its own. */
static void be_a_child(const shared_tree *shared) {
  for (int round = 0; round < 2; round++) {
    answer inherited = ask(shared->tree, &shared->query);
    CHECK(answers_equal(&inherited, &shared->expected));
    answer_free(&inherited);
  }
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(shared->tree, &stats));
  rct_free(shared->tree);
  rct_tree *own = problem_tree(&shared->given);
  answer found = ask(own, &shared->query);
  CHECK(answers_equal(&found, &shared->expected));
  answer_free(&found);
  rct_free(own);
}

static void children_forked_while_others_ask_and_build(void) {
  for (uint32_t threads = 1; threads <= 2; threads++) {
    shared_tree shared;
    shared.given = small_problem(threads);
    shared.tree = problem_tree(&shared.given);
    int64_t *ids = count_up(N);
    shared.query = query_of_ids(ids, N, K);
    shared.expected = ask(shared.tree, &shared.query);
    stopped = wrong = 0;
    pthread_t others[ASKERS + 1];
    for (int t = 0; t < ASKERS; t++) CHECK(pthread_create(&others[t], NULL, keep_asking, &shared) == 0);
    CHECK(pthread_create(&others[ASKERS], NULL, keep_building, &shared) == 0);
    for (int c = 0; c < CHILDREN; c++) {
      check_context("trees of %d threads, child %d", (int)threads, c);
      fflush(stdout);
      const int failures = check_failures();
      const pid_t child = fork();
      if (child == 0) {
        alarm(PATIENCE);
        be_a_child(&shared);
        check_exit_child(failures);
      }
      check_child(child);
    }
    stop();
    for (int t = 0; t <= ASKERS; t++) CHECK(pthread_join(others[t], NULL) == 0);
    CHECK(wrong == 0);
    answer_free(&shared.expected);
    rct_free(shared.tree);
    free(ids);
    problem_free(&shared.given);
  }
}

static void *ask_once(void *argument) {
  const shared_tree *shared = (const shared_tree *)argument;
  answer found = answer_new(shared->expected.queries, K);
  const rct_neighbors out = answer_out(&found);
  note(rct_query_batch(shared->tree, &shared->query, &out, NULL) == RCT_OK && answers_equal(&found, &shared->expected));
  answer_free(&found);
  return NULL;
}

/* A tree of a few points starts no thread before it has many queries to answer. */
static void children_forked_while_a_trees_threads_start(void) {
  problem given = problem_new(FEW, D, 0, 1);
  given.options.threads = 4;
  double *more = uniform_array(MANY * D, 2);
  shared_tree shared;
  shared.query = query_of_coords(more, MANY, D, K);
  shared.tree = problem_tree(&given);
  shared.expected = ask(shared.tree, &shared.query);
  rct_free(shared.tree);
  wrong = 0;
  uint64_t state = 3;
  for (int c = 0; c < STARTS; c++) {
    check_context("child %d", c);
    fflush(stdout);
    shared.tree = problem_tree(&given);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, ask_once, &shared) == 0);
    const struct timespec pause = {0, (long)(200000 * next_uniform(&state))};
    nanosleep(&pause, NULL);
    const int failures = check_failures();
    const pid_t child = fork();
    if (child == 0) {
      alarm(PATIENCE);
      answer found = ask(shared.tree, &shared.query);
      CHECK(answers_equal(&found, &shared.expected));
      rct_free(shared.tree);
      check_exit_child(failures);
    }
    check_child(child);
    CHECK(pthread_join(other, NULL) == 0);
    rct_free(shared.tree);
  }
  CHECK(wrong == 0);
  answer_free(&shared.expected);
  free(more);
  problem_free(&given);
}

/* A child has its parent's map: it asks, changes and saves a tree that stays in a file, while its parent asks it too, and
 * saves another one over the file. */
static void children_forked_with_a_mapped_tree(void) {
  scratch_open();
  const char *path = scratch_path("mapped.rct");
  for (int32_t threads = 1; threads <= 2; threads++) {
    shared_tree shared;
    shared.given = small_problem((uint32_t)threads);
    rct_tree *whole = problem_tree(&shared.given);
    int64_t *ids = count_up(N);
    shared.query = query_of_ids(ids, N, K);
    shared.expected = ask(whole, &shared.query);
    const rct_load_options map = {sizeof map, threads, 1};
    const rct_data more = data_of(shared.given.coords, FEW, D);
    const int64_t added[FEW] = {N, N + 1, N + 2, N + 3};
    for (int c = 0; c < CHILDREN / 4; c++) {
      check_context("trees of %d threads, child %d", (int)threads, c);
      CHECK_OK(rct_save(whole, path, NULL));
      shared.tree = NULL;
      CHECK_OK(rct_load(path, &map, &shared.tree, NULL));
      pthread_t other;
      stopped = wrong = 0;
      if (c % 2 == 0) CHECK(pthread_create(&other, NULL, keep_asking, &shared) == 0);
      fflush(stdout);
      const int failures = check_failures();
      const pid_t child = fork();
      if (child == 0) {
        alarm(PATIENCE);
        CHECK_OK(rct_insert_batch(shared.tree, &more, NULL, NULL));
        CHECK_OK(rct_remove_batch(shared.tree, rct_index_vector_of(added, FEW), NULL));
        be_a_child(&shared);
        check_exit_child(failures);
      }
      CHECK_OK(rct_save(whole, path, NULL));
      answer found = ask(shared.tree, &shared.query);
      CHECK(answers_equal(&found, &shared.expected));
      answer_free(&found);
      check_child(child);
      stop();
      if (c % 2 == 0) CHECK(pthread_join(other, NULL) == 0);
      CHECK(wrong == 0);
      rct_free(shared.tree);
    }
    answer_free(&shared.expected);
    rct_free(whole);
    free(ids);
    problem_free(&shared.given);
  }
  scratch_close();
}

/* Valgrind takes for lost, in the child, whatever the other threads held, and runs one thread at a time. */
#ifdef RCT_VALGRIND
enum { RUNS_HERE = 0 };
#else
enum { RUNS_HERE = 1 };
#endif

int main(void) {
  if (RUNS_HERE) {
    RUN(children_forked_while_others_ask_and_build);
    RUN(children_forked_while_a_trees_threads_start);
    RUN(children_forked_with_a_mapped_tree);
  }
  return check_report();
}
