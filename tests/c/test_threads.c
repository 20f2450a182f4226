/* Threads: one tree for many of the caller's, the tree's own, none where none is asked for, and forked children. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

/* Valgrind computes fused multiply-adds in software, and sanitizers mark all memory that is asked for. */
#ifdef RCT_SMALL
enum { N = 250 };
#else
enum { N = 900 };
#endif
enum { D = 2, M = 20, K = 7, CALLERS = 8 };

/* Threads of this process; -1 where the system does not say. */
static int thread_count(void) {
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -1;
  int count = 0;
  for (const struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

/* Waits up to ten seconds for threads that are on their way out. */
static int thread_count_falls_to(int expected) {
  const struct timespec pause = {0, 10000000};
  for (int t = 0; t < 1000 && thread_count() > expected; t++) nanosleep(&pause, NULL);
  return thread_count() == expected;
}

static problem threaded_problem(uint32_t threads) {
  problem given = problem_new(N, D, M, 1);
  given.options.lengthscale = 0.1;
  given.options.threads = threads;
  return given;
}

/* One of several threads that share a tree: asks by id, by coordinates, for Vecchia neighbours and pairs. */
typedef struct caller {
  const rct_tree *tree;
  const rct_query *by_id, *by_coords;
  const answer *expected_by_id, *expected_by_coords, *expected_vecchia;
  size_t number;
  int agreed;
} caller;

static void *ask_on_a_thread(void *argument) {
  caller *own = (caller *)argument;
  own->agreed = 1;
  answer room[3];
  room[0] = answer_new(own->expected_by_id->queries, K);
  room[1] = answer_new(own->expected_by_coords->queries, K);
  room[2] = answer_new(N, K);
  for (size_t round = 0; round < 3; round++) {
    const size_t which = (own->number + round) % 3;
    const rct_neighbors out = answer_out(&room[which]);
    if (which == 0) {
      own->agreed &= rct_query_batch(own->tree, own->by_id, &out, NULL) == RCT_OK;
    } else if (which == 1) {
      own->agreed &= rct_query_batch(own->tree, own->by_coords, &out, NULL) == RCT_OK;
    } else {
      own->agreed &= rct_vecchia_neighbors(own->tree, K, no_indices(), &out, NULL) == RCT_OK;
    }
    /* Failures on one thread do not disturb the others. */
    own->agreed &= rct_query_batch(own->tree, NULL, &out, NULL) == RCT_ERROR_INVALID_ARGUMENT;
    rct_tree_stats stats;
    stats.struct_size = sizeof stats;
    own->agreed &= rct_stats(own->tree, &stats) == RCT_OK && stats.n == N;
  }
  own->agreed &= answers_equal(&room[0], own->expected_by_id) && answers_equal(&room[1], own->expected_by_coords) &&
                 answers_equal(&room[2], own->expected_vecchia);
  for (int t = 0; t < 3; t++) answer_free(&room[t]);
  return NULL;
}

static void many_threads_ask_one_tree(void) {
  for (uint32_t threads = 1; threads <= 3; threads++) {
    check_context("a tree of %d threads", (int)threads);
    problem given = threaded_problem(threads);
    rct_tree *tree = problem_tree(&given);
    int64_t *ids = count_up(N);
    double *more = uniform_array(60 * D, 3);
    rct_query by_id = query_of_ids(ids, N, K);
    by_id.exclude_self = 1;
    const rct_query by_coords = query_of_coords(more, 60, D, K);
    answer expected_by_id = ask(tree, &by_id), expected_by_coords = ask(tree, &by_coords);
    answer expected_vecchia = ask_vecchia(tree, N, K, no_indices());
    caller callers[CALLERS];
    pthread_t handles[CALLERS];
    for (size_t t = 0; t < CALLERS; t++) {
      const caller own = {tree, &by_id, &by_coords, &expected_by_id, &expected_by_coords, &expected_vecchia, t, 0};
      callers[t] = own;
      CHECK(pthread_create(&handles[t], NULL, ask_on_a_thread, &callers[t]) == 0);
    }
    for (size_t t = 0; t < CALLERS; t++) {
      CHECK(pthread_join(handles[t], NULL) == 0);
      CHECK(callers[t].agreed);
    }
    answer_free(&expected_by_id);
    answer_free(&expected_by_coords);
    answer_free(&expected_vecchia);
    free(more);
    free(ids);
    rct_free(tree);
    problem_free(&given);
  }
}

static int most_threads;

static int32_t count_threads(void *user) {
  (void)user;
  const int now = thread_count();
  if (now > most_threads) most_threads = now;
  return 0;
}

/* Builds, asks and validates; counts threads in between and afterwards. */
static void use_a_tree(uint32_t threads) {
  problem given = threaded_problem(threads);
  const rct_control control = control_of(NULL, count_threads, NULL);
  int64_t *ids = count_up(N);
  const rct_query query = query_of_ids(ids, N, K);
  answer room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  rct_tree *tree = NULL;
  most_threads = thread_count();
  CHECK_OK(rct_create(&given.options, &tree));
  CHECK_OK(rct_build(tree, &given.data, &control));
  CHECK_OK(rct_query_batch(tree, &query, &out, &control));
  CHECK_OK(rct_vecchia_neighbors(tree, K, no_indices(), &out, &control));
  CHECK_OK(rct_validate(tree, &control));
  count_threads(NULL);
  rct_free(tree);
  answer_free(&room);
  free(ids);
  problem_free(&given);
}

static void one_thread_starts_none(void) {
  const int before = thread_count();
  use_a_tree(1);
  CHECK(most_threads == before);
  CHECK(thread_count() == before);
}

static void a_trees_threads_go_with_it(void) {
  const int before = thread_count();
  if (before < 0) return;
  use_a_tree(3);
  CHECK(most_threads <= before + 3);
  CHECK(thread_count_falls_to(before));
}

/* What a forked child does with a tree of its parent's and one of its own; 1 if all is well. */
static int child_agrees(rct_tree *tree, const problem *given, const rct_query *query, const answer *expected) {
  answer inherited = ask(tree, query);
  int agreed = CHECK(answers_equal(&inherited, expected));
  CHECK_OK(rct_validate(tree, NULL));
  rct_free(tree);
  rct_tree *own = problem_tree(given);
  answer found = ask(own, query);
  agreed &= CHECK(answers_equal(&found, expected));
  rct_free(own);
  answer_free(&found);
  answer_free(&inherited);
  return agreed;
}

static void check_children(const pid_t *children, int count) {
  for (int t = 0; t < count; t++) {
    int status = -1;
    CHECK(children[t] > 0 && waitpid(children[t], &status, 0) == children[t]);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

static void forked_children_use_the_tree(void) {
  for (uint32_t threads = 0; threads <= 3; threads++) {
    check_context("a tree of %d threads", (int)threads);
    problem given = threaded_problem(threads);
    int64_t *ids = count_up(N);
    const rct_query query = query_of_ids(ids, N, K);
    rct_tree *tree = problem_tree(&given);
    answer expected = ask(tree, &query);
    const int failures = check_failures();
    pid_t children[3];
    fflush(stdout);
    for (int t = 0; t < 3; t++) {
      children[t] = fork();
      if (children[t] != 0) continue;
      alarm(300); /* a child that waits for threads which it does not have would wait forever */
      child_agrees(tree, &given, &query, &expected);
      check_exit_child(failures);
    }
    /* The parent goes on meanwhile, and afterwards. */
    answer meanwhile = ask(tree, &query);
    CHECK(answers_equal(&meanwhile, &expected));
    check_children(children, 3);
    answer afterwards = ask(tree, &query);
    CHECK(answers_equal(&afterwards, &expected));
    answer_free(&meanwhile);
    answer_free(&afterwards);
    answer_free(&expected);
    rct_free(tree);
    free(ids);
    problem_free(&given);
  }
}

static void a_childs_child_uses_the_tree(void) {
  problem given = threaded_problem(2);
  int64_t *ids = count_up(N);
  const rct_query query = query_of_ids(ids, N, K);
  rct_tree *tree = problem_tree(&given);
  answer expected = ask(tree, &query);
  const int failures = check_failures();
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(300);
    answer found = ask(tree, &query);
    CHECK(answers_equal(&found, &expected));
    fflush(stdout);
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      alarm(300);
      child_agrees(tree, &given, &query, &expected);
      check_exit_child(failures);
    }
    check_children(&grandchild, 1);
    check_exit_child(failures);
  }
  check_children(&child, 1);
  answer_free(&expected);
  rct_free(tree);
  free(ids);
  problem_free(&given);
}

static void a_child_builds_what_its_parent_created(void) {
  problem given = threaded_problem(2);
  int64_t *ids = count_up(N);
  const rct_query query = query_of_ids(ids, N, K);
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&given.options, &tree));
  const int failures = check_failures();
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(300);
    CHECK_OK(rct_build(tree, &given.data, NULL));
    oracle truth = problem_oracle(&given);
    answer found = ask(tree, &query);
    check_answer(&truth, N, &query, &found);
    check_exit_child(failures);
  }
  check_children(&child, 1);
  CHECK_OK(rct_build(tree, &given.data, NULL));
  rct_free(tree);
  free(ids);
  problem_free(&given);
}

int main(void) {
  RUN(one_thread_starts_none);
  RUN(a_trees_threads_go_with_it);
  RUN(many_threads_ask_one_tree);
  RUN(forked_children_use_the_tree);
  RUN(a_childs_child_uses_the_tree);
  RUN(a_child_builds_what_its_parent_created);
  return check_report();
}
