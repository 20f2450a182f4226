/* Calls from inside callbacks: on the tree that is at work they are refused, and harm nothing; on others they work. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 60, D = 2, M = 6, K = 4 };

/* What a callback tries, and how often it was called. */
typedef struct attempt {
  rct_tree *busy;        /* the tree of the call that makes the callback */
  const rct_tree *other; /* a built one */
  const problem *given;
  const rct_query *query;
  const answer *expected; /* of the other tree */
  long calls;
  long at; /* in which call it is to be tried */
} attempt;

/* Changes a tree of the problem's, other than the busy one, and back; saves it and loads it. */
static void live_on(rct_tree *own, const attempt *now) {
  const rct_data more = data_of(now->given->coords, 3, D);
  const int64_t inserted[3] = {N, N + 1, N + 2};
  int64_t first = -5;
  rct_buffer *buffer = NULL;
  const uint8_t *bytes = NULL;
  size_t len = 0;
  rct_tree *loaded = NULL;
  CHECK_OK(rct_insert_batch(own, &more, &first, NULL));
  CHECK(first == N);
  CHECK_OK(rct_remove_batch(own, rct_index_vector_of(inserted, 3), NULL));
  CHECK_OK(rct_refit(own, &now->given->options, NULL, NULL));
  CHECK_OK(rct_save_to_buffer(own, &buffer, NULL));
  CHECK_OK(rct_buffer_view(buffer, &bytes, &len));
  CHECK_OK(rct_load_from_buffer(bytes, len, NULL, &loaded, NULL));
  answer found = ask(loaded, now->query);
  CHECK(answers_equal(&found, now->expected));
  answer_free(&found);
  rct_buffer_free(buffer);
  rct_free(loaded);
}

/* Every verb that takes a tree. */
static void try_every_verb(attempt *now) {
  if (now->calls++ != now->at) return;
  const char *const words = "tree is in use|callback";
  answer room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  double values[1] = {-5.0};
  int64_t zero[1] = {0};
  const rct_index_vector first = rct_index_vector_of(zero, 1);
  rct_radius_result *result = NULL;
  rct_tree_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_STATUS(rct_build(now->busy, &now->given->data, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_query_batch(now->busy, now->query, &out, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_vecchia_neighbors(now->busy, K, no_indices(), &out, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_radius_batch(now->busy, now->query, 0.5, &result, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_distances(now->busy, first, first, rct_vector_out_of(values, 1)), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_correlations(now->busy, first, first, rct_vector_out_of(values, 1)), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_stats(now->busy, &stats), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_validate(now->busy, NULL), RCT_ERROR_INVALID_STATE, words);
  /* The data of a build has inducing points, which an insertion would refuse; the tree is refused first. */
  int64_t first_id = -5;
  rct_buffer *buffer = NULL;
  CHECK_STATUS(rct_insert_batch(now->busy, &now->given->data, &first_id, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_remove_batch(now->busy, first, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_refit(now->busy, &now->given->options, NULL, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_save(now->busy, "never.rct", NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK_STATUS(rct_save_to_buffer(now->busy, &buffer, NULL), RCT_ERROR_INVALID_STATE, words);
  CHECK(first_id == -5 && buffer == NULL);
  CHECK(answer_untouched(&room) && result == NULL && values[0] == -5.0 && stats.n == 0);
  answer_free(&room);
  check_overwrite_last_error();
  rct_free(now->busy); /* has no status; the tree is still there, as what follows shows */
  CHECK(strstr(rct_last_error(), "tree is in use") != NULL);

  answer found = ask(now->other, now->query);
  CHECK(answers_equal(&found, now->expected));
  answer_free(&found);
  rct_tree *own = problem_tree(now->given);
  found = ask(own, now->query);
  CHECK(answers_equal(&found, now->expected));
  answer_free(&found);
  live_on(own, now);
  rct_free(own);
}

static void nested_progress(double fraction, void *user) {
  (void)fraction;
  try_every_verb((attempt *)user);
}

static int32_t nested_question(void *user) {
  try_every_verb((attempt *)user);
  return 0;
}

/* The kernel of the problem, by the oracle's formula. */
static int32_t nested_covariance(void *user, const double *x, const double *others, size_t count, size_t dim, double *out) {
  attempt *now = (attempt *)user;
  if (now->busy != NULL) try_every_verb(now);
  oracle formula;
  memset(&formula, 0, sizeof formula);
  formula.kernel = RCT_KERNEL_MATERN32;
  formula.variance = now->given->options.variance;
  const double scale = now->given->options.lengthscale;
  for (size_t i = 0; i < count; i++) {
    double square = 0.0;
    for (size_t j = 0; j < dim; j++) {
      const double difference = (x[j] - others[i * dim + j]) / scale;
      square += difference * difference;
    }
    out[i] = oracle_kernel(&formula, sqrt(square));
  }
  return 0;
}

/* Inserts points into the tree, removes them again, and gives it the parameters that it has: it answers as before.
 * Saves it where that can be done. */
static void change_and_save(rct_tree *tree, const rct_control *control, attempt *now, const rct_options *options) {
  const rct_data more = data_of(now->given->coords, 20, D);
  int64_t *ids = count_up(N + 20);
  rct_buffer *buffer = NULL;
  for (int verb = 0; verb < 4; verb++) {
    const int saves = verb == 3;
    if (saves && options->kernel == RCT_KERNEL_CUSTOM) break;
    now->calls = 0;
    if (verb == 0) CHECK_OK(rct_insert_batch(tree, &more, NULL, control));
    if (verb == 1) CHECK_OK(rct_remove_batch(tree, rct_index_vector_of(ids + N, 20), control));
    if (verb == 2) CHECK_OK(rct_refit(tree, options, NULL, control));
    if (verb == 3) CHECK_OK(rct_save_to_buffer(tree, &buffer, control));
    CHECK(now->calls > now->at || (verb == 1 && options->kernel == RCT_KERNEL_CUSTOM));
  }
  rct_buffer_free(buffer);
  free(ids);
}

/* Builds and asks `tree`, whose callbacks make the attempt in their call number `at`. */
static void build_and_ask(rct_tree *tree, const rct_control *control, attempt *now, long at, const rct_options *options,
                          const oracle *truth) {
  now->busy = tree;
  now->at = at;
  now->calls = 0;
  CHECK_OK(rct_build(tree, &now->given->data, control));
  CHECK(now->calls > at);
  CHECK_STATUS(rct_build(tree, &now->given->data, control), RCT_ERROR_INVALID_STATE, "already built");
  answer room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  rct_radius_result *result = NULL;
  for (int verb = 0; verb < 4; verb++) {
    now->calls = 0;
    if (verb == 0) CHECK_OK(rct_query_batch(tree, now->query, &out, control));
    if (verb == 1) CHECK_OK(rct_vecchia_neighbors(tree, K, no_indices(), &out, control));
    if (verb == 2) CHECK_OK(rct_radius_batch(tree, now->query, 0.5, &result, control));
    if (verb == 3) CHECK_OK(rct_validate(tree, control));
    CHECK(now->calls > at);
    if (verb == 0) check_answer(truth, N, now->query, &room);
    if (verb == 1) check_vecchia(truth, NULL, &room);
  }
  rct_radius_result_free(result);
  answer_free(&room);
  change_and_save(tree, control, now, options);
  /* After the calls the tree may be used again. */
  now->busy = NULL;
  answer found = ask(tree, now->query);
  check_answer(truth, N, now->query, &found);
  answer_free(&found);
}

static attempt attempt_with(const problem *given, const rct_tree *other, const rct_query *query, const answer *expected) {
  attempt now;
  memset(&now, 0, sizeof now);
  now.given = given;
  now.other = other;
  now.query = query;
  now.expected = expected;
  return now;
}

static void calls_from_progress_and_should_stop(void) {
  for (uint32_t threads = 1; threads <= 2; threads++) {
    problem given = problem_new(N, D, M, 1);
    given.options.threads = threads;
    oracle truth = problem_oracle(&given);
    int64_t *ids = count_up(N);
    const rct_query query = query_of_ids(ids, N, K);
    rct_tree *other = problem_tree(&given);
    answer expected = ask(other, &query);
    attempt now = attempt_with(&given, other, &query, &expected);
    for (int callback = 0; callback < 2; callback++) {
      check_context("%s, %d threads", callback == 0 ? "progress" : "should_stop", (int)threads);
      rct_control control = control_of(nested_progress, NULL, &now);
      if (callback == 1) control = control_of(NULL, nested_question, &now);
      rct_tree *tree = NULL;
      CHECK_OK(rct_create(&given.options, &tree));
      build_and_ask(tree, &control, &now, 0, &given.options, &truth);
      rct_free(tree);
    }
    answer_free(&expected);
    rct_free(other);
    free(ids);
    oracle_free(&truth);
    problem_free(&given);
  }
}

static void calls_from_a_covariance(void) {
  problem given = problem_new(N, D, M, 1);
  oracle truth = problem_oracle(&given);
  int64_t *ids = count_up(N);
  const rct_query query = query_of_ids(ids, N, K);
  rct_tree *other = problem_tree(&given);
  answer expected = ask(other, &query);
  attempt now = attempt_with(&given, other, &query, &expected);
  rct_options options = given.options;
  options.kernel = RCT_KERNEL_CUSTOM;
  options.covariance = nested_covariance;
  options.covariance_user = &now;
  for (long at = 0; at < 3; at++) {
    check_context("covariance, call %ld", at);
    rct_tree *tree = NULL;
    CHECK_OK(rct_create(&options, &tree));
    build_and_ask(tree, NULL, &now, at, &options, &truth);
    rct_free(tree);
  }
  answer_free(&expected);
  rct_free(other);
  free(ids);
  oracle_free(&truth);
  problem_free(&given);
}

/* A callback of one tree's call uses another tree, whose callback turns to the first one: it is still at work. */
typedef struct chain {
  rct_tree *first, *second;
  const rct_query *query;
  int depth, refused;
} chain;

static int32_t go_on(void *user) {
  chain *links = (chain *)user;
  if (links->depth == 2) return 0;
  rct_tree *next = links->depth == 0 ? links->second : links->first;
  links->depth++;
  answer room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  const rct_control control = control_of(NULL, go_on, links);
  const rct_status status = rct_query_batch(next, links->query, &out, &control);
  CHECK(status == (next == links->first ? RCT_ERROR_INVALID_STATE : RCT_OK));
  links->refused += status == RCT_ERROR_INVALID_STATE;
  answer_free(&room);
  return 0;
}

static void a_tree_is_at_work_through_another_ones_callback(void) {
  problem given = problem_new(N, D, M, 1);
  int64_t *ids = count_up(N);
  const rct_query query = query_of_ids(ids, N, K);
  chain links = {problem_tree(&given), problem_tree(&given), &query, 0, 0};
  answer room = answer_new(N, K);
  const rct_neighbors out = answer_out(&room);
  const rct_control control = control_of(NULL, go_on, &links);
  CHECK_OK(rct_query_batch(links.first, &query, &out, &control));
  CHECK(links.depth == 2 && links.refused == 1);
  answer_free(&room);
  rct_free(links.first);
  rct_free(links.second);
  free(ids);
  problem_free(&given);
}

int main(void) {
  RUN(calls_from_progress_and_should_stop);
  RUN(calls_from_a_covariance);
  RUN(a_tree_is_at_work_through_another_ones_callback);
  return check_report();
}
