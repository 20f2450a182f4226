/* Sixty-four threads ask one tree, and one that is mapped from a file, and save it, while others build, ask, change, save,
 * load, cancel and free trees of their own. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"
#include "scratch.h"

/* Valgrind computes fused multiply-adds in software, and sanitizers mark all memory that is asked for. */
#ifdef RCT_SMALL
enum { N = 40, ROUNDS = 1, BUILDERS = 4 };
#else
enum { N = 600, ROUNDS = 2, BUILDERS = 12 };
#endif
/* The checker of threads does not know how the library's own threads wait for each other. */
#ifdef RCT_HELGRIND
enum { MOST_THREADS = 1 };
#else
enum { MOST_THREADS = 3 };
#endif
enum { ASKERS = 64, D = 2, M = 8, K = 5, NEW = 20, VERBS = 8 };

/* What all threads share, and only read. */
typedef struct crowd {
  problem given;
  const rct_tree *tree, *mapped;
  const char *path;  /* where the tree was saved */
  rct_buffer *saved; /* the same */
  rct_query by_id, by_coords;
  answer expected_by_id, expected_by_coords, expected_vecchia;
  double distances[N];
  rct_index_vector from, to;
  size_t within; /* pairs within the radius */
} crowd;

static const double RADIUS = 0.6;

typedef struct member {
  const crowd *all;
  size_t number;
  int agreed;
} member;

static int buffers_equal(const rct_buffer *a, const rct_buffer *b) {
  const uint8_t *x = NULL, *y = NULL;
  size_t x_len = 0, y_len = 1;
  return rct_buffer_view(a, &x, &x_len) == RCT_OK && rct_buffer_view(b, &y, &y_len) == RCT_OK && x_len == y_len &&
         memcmp(x, y, x_len) == 0;
}

/* One verb a round, each thread beginning with another. */
static int asks(const crowd *all, size_t which) {
  if (which == 0 || which == 1) {
    const answer *expected = which == 0 ? &all->expected_by_id : &all->expected_by_coords;
    answer room = answer_new(expected->queries, K);
    const rct_neighbors out = answer_out(&room);
    const rct_status status = rct_query_batch(all->tree, which == 0 ? &all->by_id : &all->by_coords, &out, NULL);
    const int agreed = status == RCT_OK && answers_equal(&room, expected);
    answer_free(&room);
    return agreed;
  }
  if (which == 2) {
    answer room = answer_new(N, K);
    const rct_neighbors out = answer_out(&room);
    const int agreed = rct_vecchia_neighbors(all->tree, K, no_indices(), &out, NULL) == RCT_OK &&
                       answers_equal(&room, &all->expected_vecchia);
    answer_free(&room);
    return agreed;
  }
  if (which == 3) {
    double found[N];
    return rct_distances(all->tree, all->from, all->to, rct_vector_out_of(found, N)) == RCT_OK &&
           memcmp(found, all->distances, sizeof found) == 0;
  }
  if (which == 4) {
    rct_radius_result *result = NULL;
    rct_radius_view view;
    memset(&view, 0, sizeof view);
    const int agreed = rct_radius_batch(all->tree, &all->by_id, RADIUS, &result, NULL) == RCT_OK &&
                       rct_radius_result_view(result, &view) == RCT_OK && view.total == all->within;
    rct_radius_result_free(result);
    return agreed;
  }
  if (which == 5) {
    rct_buffer *buffer = NULL;
    const int agreed = rct_save_to_buffer(all->tree, &buffer, NULL) == RCT_OK && buffers_equal(buffer, all->saved);
    rct_buffer_free(buffer);
    return agreed;
  }
  if (which == 6) {
    answer room = answer_new(N, K);
    const rct_neighbors out = answer_out(&room);
    const int agreed = rct_query_batch(all->mapped, &all->by_id, &out, NULL) == RCT_OK &&
                       answers_equal(&room, &all->expected_by_id);
    answer_free(&room);
    return agreed;
  }
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  return rct_stats(all->tree, &stats) == RCT_OK && stats.n == N &&
         rct_query_batch(all->tree, NULL, NULL, NULL) == RCT_ERROR_INVALID_ARGUMENT;
}

static void *be_an_asker(void *argument) {
  member *own = (member *)argument;
  own->agreed = 1;
  for (size_t round = 0; round < VERBS * ROUNDS; round++) own->agreed &= asks(own->all, (own->number + round) % VERBS);
  return NULL;
}

/* Changes a tree and back, so that it answers as before. */
static int change_and_undo(rct_tree *tree, const crowd *all, const rct_options *options) {
  rct_data more;
  memset(&more, 0, sizeof more);
  more.struct_size = sizeof more;
  more.coords = all->by_coords.coords;
  int64_t ids[NEW], first = -1;
  rct_options other = *options;
  other.lengthscale = 0.2;
  int agreed = rct_insert_batch(tree, &more, &first, NULL) == RCT_OK && first == N;
  for (int64_t t = 0; t < NEW; t++) ids[t] = N + t;
  agreed &= rct_refit(tree, &other, NULL, NULL) == RCT_OK;
  agreed &= rct_remove_batch(tree, rct_index_vector_of(ids, NEW), NULL) == RCT_OK;
  agreed &= rct_remove_batch(tree, rct_index_vector_of(ids, NEW), NULL) == RCT_ERROR_INVALID_ARGUMENT;
  return agreed & (rct_refit(tree, options, NULL, NULL) == RCT_OK);
}

static int32_t stop_at_third(void *user) { return ++*(int *)user == 3; }

static void *be_a_builder(void *argument) {
  member *own = (member *)argument;
  const crowd *all = own->all;
  own->agreed = 1;
  for (int round = 0; round < 2 * ROUNDS; round++) {
    rct_options options = all->given.options;
    options.threads = (uint32_t)(own->number % MOST_THREADS + 1);
    rct_tree *tree = NULL;
    int questions = 0;
    const rct_control control = {sizeof control, NULL, stop_at_third, &questions};
    own->agreed &= rct_create(&options, &tree) == RCT_OK;
    const rct_status stopped = rct_build(tree, &all->given.data, &control);
    own->agreed &= stopped == (questions >= 3 ? RCT_ERROR_CANCELLED : RCT_OK);
    if (stopped != RCT_OK) own->agreed &= rct_build(tree, &all->given.data, NULL) == RCT_OK;
    own->agreed &= change_and_undo(tree, all, &options);
    rct_tree *loaded = NULL;
    const rct_load_options load = {sizeof load, (int32_t)options.threads, (int32_t)(own->number % 2)};
    own->agreed &= rct_load(all->path, &load, &loaded, NULL) == RCT_OK;
    own->agreed &= change_and_undo(loaded, all, &options);
    for (int t = 0; t < 2; t++) {
      answer room = answer_new(N, K);
      const rct_neighbors out = answer_out(&room);
      own->agreed &= rct_query_batch(t == 0 ? tree : loaded, &all->by_id, &out, NULL) == RCT_OK;
      own->agreed &= answers_equal(&room, &all->expected_by_id);
      answer_free(&room);
    }
    rct_free(loaded);
    rct_free(tree);
  }
  return NULL;
}

static void sixty_four_ask_while_others_build_and_change(void) {
  for (uint32_t threads = 1; threads <= MOST_THREADS; threads += 2) {
    check_context("a tree of %d threads", (int)threads);
    static crowd all;
    all.given = problem_new(N, D, M, 1);
    all.given.options.lengthscale = 0.1;
    all.given.options.threads = threads;
    rct_tree *tree = problem_tree(&all.given);
    oracle truth = problem_oracle(&all.given);
    all.tree = tree;
    int64_t *ids = count_up(N), *others = shuffled(N, 5);
    double *more = uniform_array(NEW * D, 3);
    all.by_id = query_of_ids(ids, N, K);
    all.by_coords = query_of_coords(more, NEW, D, K);
    all.from = rct_index_vector_of(ids, N);
    all.to = rct_index_vector_of(others, N);
    /* Alone first, against the oracle. */
    all.expected_by_id = ask(tree, &all.by_id);
    check_answer(&truth, N, &all.by_id, &all.expected_by_id);
    all.expected_by_coords = ask(tree, &all.by_coords);
    all.expected_vecchia = ask_vecchia(tree, N, K, no_indices());
    check_vecchia(&truth, NULL, &all.expected_vecchia);
    CHECK_OK(rct_distances(tree, all.from, all.to, rct_vector_out_of(all.distances, N)));
    rct_radius_result *result = NULL;
    rct_radius_view view;
    CHECK_OK(rct_radius_batch(tree, &all.by_id, RADIUS, &result, NULL));
    CHECK_OK(rct_radius_result_view(result, &view));
    all.within = view.total;
    rct_radius_result_free(result);
    scratch_open();
    all.path = scratch_path("crowd.rct");
    all.saved = NULL;
    CHECK_OK(rct_save(tree, all.path, NULL));
    CHECK_OK(rct_save_to_buffer(tree, &all.saved, NULL));
    const rct_load_options map = {sizeof map, -1, 1};
    rct_tree *mapped = NULL;
    CHECK_OK(rct_load(all.path, &map, &mapped, NULL));
    all.mapped = mapped;

    static member members[ASKERS + BUILDERS];
    pthread_t handles[ASKERS + BUILDERS];
    for (size_t t = 0; t < ASKERS + BUILDERS; t++) {
      members[t].all = &all;
      members[t].number = t;
      members[t].agreed = 0;
      CHECK(pthread_create(&handles[t], NULL, t < ASKERS ? be_an_asker : be_a_builder, &members[t]) == 0);
    }
    for (size_t t = 0; t < ASKERS + BUILDERS; t++) {
      CHECK(pthread_join(handles[t], NULL) == 0);
      CHECK(members[t].agreed);
    }
    rct_free(tree);
    rct_free(mapped);
    rct_buffer_free(all.saved);
    scratch_close();
    answer_free(&all.expected_by_id);
    answer_free(&all.expected_by_coords);
    answer_free(&all.expected_vecchia);
    oracle_free(&truth);
    free(more);
    free(ids);
    free(others);
    problem_free(&all.given);
  }
}

static pthread_key_t at_the_end;
static rct_tree *left_over;
static int statuses[4], has_message, is_set;

/* Runs after the library's own thread-local memory is gone. */
static void use_the_library_last(void *unused) {
  (void)unused;
  statuses[0] = rct_query_batch(left_over, NULL, NULL, NULL);
  has_message = rct_last_error() != NULL;
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  statuses[1] = rct_stats(left_over, &stats);
  rct_free(left_over);
}

static void *end_with_a_call(void *unused) {
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  statuses[2] = rct_stats(left_over, &stats);
  statuses[3] = rct_query_batch(left_over, NULL, NULL, NULL);
  is_set = pthread_setspecific(at_the_end, &at_the_end) == 0;
  return unused;
}

static void a_thread_that_ends_may_still_call(void) {
  problem given = problem_new(N, D, M, 1);
  left_over = problem_tree(&given);
  CHECK(pthread_key_create(&at_the_end, use_the_library_last) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, end_with_a_call, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(is_set && has_message);
  CHECK(statuses[2] == RCT_OK && statuses[3] == RCT_ERROR_INVALID_ARGUMENT);
  CHECK(statuses[1] == statuses[2] && statuses[0] == statuses[3]);
  CHECK(pthread_key_delete(at_the_end) == 0);
  problem_free(&given);
}

int main(void) {
  RUN(sixty_four_ask_while_others_build_and_change);
  RUN(a_thread_that_ends_may_still_call);
  return check_report();
}
