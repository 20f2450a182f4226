/* Trees that are saved and loaded, by files and buffers: they answer as before, and live on. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "living.h"
#include "scratch.h"

/* Valgrind computes fused multiply-adds in software, and sanitizers mark all memory that is asked for. */
#ifdef RCT_SMALL
enum { N = 60, POOL = 120, LARGE = 300 };
#else
enum { N = 200, POOL = 400, LARGE = 3000 };
#endif
enum { D = 2, M = 20, K = 6, ASKERS = 6 };

static const char *const kinds[LIVING_KINDS] = {"inducing", "factor", "factor and residuals", "correlation",
                                                "Euclidean"};

static rct_load_options load_options(int32_t threads, int32_t memory_map) {
  rct_load_options options;
  memset(&options, 0, sizeof options);
  CHECK_OK(rct_load_options_init(&options));
  CHECK(options.struct_size == sizeof options && options.threads == -1 && options.memory_map == 0);
  options.threads = threads;
  options.memory_map = memory_map;
  return options;
}

/* How a tree can come back. */
enum { BY_FILE, BY_MAP, BY_BUFFER, WAYS };

/* A tree of the file at `path`. */
static rct_tree *come_back(const char *path, int way, int32_t threads) {
  const rct_load_options options = load_options(threads, way == BY_MAP);
  rct_tree *tree = NULL;
  if (way == BY_BUFFER) {
    size_t len = 0;
    uint8_t *bytes = read_file(path, &len);
    CHECK_OK(rct_load_from_buffer(bytes, len, &options, &tree, NULL));
    memset(bytes, 0, len); /* not needed any more */
    free(bytes);
  } else {
    CHECK_OK(rct_load(path, &options, &tree, NULL));
  }
  return tree;
}

/* The bytes that rct_save_to_buffer makes are those of the file. */
static void check_buffer(const rct_tree *tree, const char *path) {
  rct_buffer *buffer = NULL;
  const uint8_t *bytes = NULL;
  size_t len = 0, size = 0;
  CHECK_OK(rct_save_to_buffer(tree, &buffer, NULL));
  CHECK_OK(rct_buffer_view(buffer, &bytes, &len));
  uint8_t *file = read_file(path, &size);
  CHECK(file != NULL && size == len && memcmp(file, bytes, len) == 0);
  free(file);
  rct_buffer_free(buffer);
}

static void loaded_trees_answer_as_before_and_live_on(void) {
  for (int kind = 0; kind < LIVING_KINDS; kind++) {
    for (int way = 0; way < WAYS; way++) {
      check_context("%s, way %d", kinds[kind], way);
      uint64_t state = 1 + (uint64_t)kind;
      const char *path = scratch_path("living.rct");
      living now = living_new((living_kind)kind, N, POOL, D, M, 20 + (uint64_t)kind);
      /* Several parts, removed points among them. */
      const int64_t gone[4] = {3, N / 2, N + 3, 0};
      living_insert(&now, 10);
      living_insert(&now, 2);
      living_remove(&now, gone, 4);
      answer before = living_ask(&now, K);
      CHECK_OK(rct_save(now.tree, path, NULL));
      check_buffer(now.tree, path);
      living_replace(&now, come_back(path, way, -1));
      answer after = living_ask(&now, K);
      CHECK(answers_equal(&before, &after));
      answer_free(&before);
      answer_free(&after);
      check_buffer(now.tree, path);
      /* Which makes the nodes of the cover tree: those are saved below. */
      CHECK_OK(rct_validate(now.tree, NULL));
      living_check(&now, 40, &state);
      /* It grows, and gives no id twice; it takes other parameters, and is saved again. */
      living_insert(&now, 30);
      living_check(&now, 40, &state);
      rct_options options = now.pool.options;
      options.lengthscale = 0.4;
      living_refit(&now, &options, NULL, 0);
      living_check(&now, 40, &state);
      living_check_vecchia(&now);
      living_check_fresh(&now);
      /* Over the file that it may be mapped from. */
      CHECK_OK(rct_save(now.tree, path, NULL));
      before = living_ask(&now, K);
      living_replace(&now, come_back(path, way, 1));
      after = living_ask(&now, K);
      CHECK(answers_equal(&before, &after));
      answer_free(&before);
      answer_free(&after);
      living_free(&now);
    }
  }
  CHECK(scratch_files() == 1);
}

/* A mapped tree and one that is saved over its file, again and again. */
static void a_mapped_file_may_be_replaced(void) {
  uint64_t state = 2;
  const char *path = scratch_path("mapped.rct");
  living now = living_new(LIVING_INDUCING, LARGE, LARGE + 100, D, M, 30);
  living other = living_new(LIVING_EUCLIDEAN, N, POOL, D, 0, 31);
  CHECK_OK(rct_save(now.tree, path, NULL));
  answer before = living_ask(&now, K);
  living_replace(&now, come_back(path, BY_MAP, 2));
  for (int round = 0; round < 3; round++) {
    CHECK_OK(rct_save(round % 2 == 0 ? other.tree : now.tree, path, NULL));
    answer after = living_ask(&now, K);
    CHECK(answers_equal(&before, &after));
    answer_free(&after);
  }
  answer_free(&before);
  CHECK(unlink(path) == 0);
  living_check(&now, 20, &state);
  living_insert(&now, 100);
  living_check(&now, 20, &state);
  living_free(&other);
  living_free(&now);
}

static void empty_trees_are_saved_too(void) {
  const char *path = scratch_path("empty.rct");
  for (int way = 0; way < WAYS; way++) {
    check_context("way %d", way);
    living now = living_new(LIVING_INDUCING, 10, 60, D, M, 32);
    int64_t *ids = living_ids(&now);
    living_remove(&now, ids, 10);
    free(ids);
    CHECK_OK(rct_save(now.tree, path, NULL));
    living_replace(&now, come_back(path, way, -1));
    CHECK_OK(rct_validate(now.tree, NULL));
    living_insert(&now, 20);
    living_check_fresh(&now);
    living_free(&now);
  }
}

/* One of several threads that ask a tree of which each piece of V is checked by the first to need it. */
typedef struct asker {
  const living *now;
  const rct_tree *tree;
  answer expected;
  int agreed;
} asker;

static void *ask_on_a_thread(void *argument) {
  asker *own = (asker *)argument;
  int64_t *ids = living_ids(own->now);
  rct_query query;
  rct_query_init(&query);
  query.k = K;
  query.ids = rct_index_vector_of(ids, own->now->count);
  answer room = answer_new(own->now->count, K);
  const rct_neighbors out = answer_out(&room);
  own->agreed = rct_query_batch(own->tree, &query, &out, NULL) == RCT_OK && answers_equal(&room, &own->expected);
  answer_free(&room);
  free(ids);
  return NULL;
}

static void many_threads_ask_a_mapped_tree(void) {
  const char *path = scratch_path("threads.rct");
  living now = living_new(LIVING_INDUCING, LARGE, LARGE, D, M, 33);
  CHECK_OK(rct_save(now.tree, path, NULL));
  answer expected = living_ask(&now, K);
  for (int32_t threads = 0; threads <= 3; threads++) {
    check_context("%d threads", (int)threads);
    rct_tree *tree = come_back(path, BY_MAP, threads);
    asker askers[ASKERS];
    pthread_t handles[ASKERS];
    for (int t = 0; t < ASKERS; t++) {
      const asker own = {&now, tree, expected, 0};
      askers[t] = own;
      CHECK(pthread_create(&handles[t], NULL, ask_on_a_thread, &askers[t]) == 0);
    }
    for (int t = 0; t < ASKERS; t++) {
      CHECK(pthread_join(handles[t], NULL) == 0);
      CHECK(askers[t].agreed);
    }
    rct_free(tree);
  }
  answer_free(&expected);
  living_free(&now);
}

static void a_map_takes_less_memory_than_v(void) {
  const char *path = scratch_path("memory.rct");
  living now = living_new(LIVING_INDUCING, LARGE, LARGE, D, M, 34);
  CHECK_OK(rct_save(now.tree, path, NULL));
  rct_tree_stats whole, mapped;
  whole.struct_size = mapped.struct_size = sizeof whole;
  CHECK_OK(rct_stats(now.tree, &whole));
  living_replace(&now, come_back(path, BY_MAP, -1));
  CHECK_OK(rct_stats(now.tree, &mapped));
  CHECK(mapped.memory_bytes + LARGE * M * sizeof(double) <= whole.memory_bytes + 65536);
  living_free(&now);
}

/* A path without a folder is one in the current folder. */
static void a_path_without_a_folder(void) {
  char before[SCRATCH_PATH];
  CHECK(getcwd(before, sizeof before) != NULL && chdir(scratch_path(".")) == 0);
  living now = living_new(LIVING_CORRELATION, N, POOL, D, 0, 35);
  rct_tree *tree = NULL;
  CHECK_OK(rct_save(now.tree, "plain.rct", NULL));
  CHECK_OK(rct_load("plain.rct", NULL, &tree, NULL));
  CHECK_OK(rct_save(tree, "./plain.rct", NULL));
  living_replace(&now, tree);
  living_check_fresh(&now);
  living_free(&now);
  CHECK(chdir(before) == 0);
}

typedef struct listener {
  double last;
  int calls, went_back, stop_at;
} listener;

static void listen(double fraction, void *user) {
  listener *heard = (listener *)user;
  heard->went_back |= fraction < heard->last || fraction < 0.0 || fraction > 1.0;
  heard->last = fraction;
}

static int32_t count_and_stop(void *user) {
  listener *heard = (listener *)user;
  return ++heard->calls == heard->stop_at;
}

/* Saves to `path` or loads from it, whichever of the four verbs. */
static rct_status verb(int which, const living *now, const char *path, const rct_buffer *saved, rct_buffer **buffer,
                       rct_tree **tree, const rct_control *control) {
  const uint8_t *bytes;
  size_t len;
  if (which == 0) return rct_save(now->tree, path, control);
  if (which == 1) return rct_save_to_buffer(now->tree, buffer, control);
  if (which == 2) return rct_load(path, NULL, tree, control);
  const rct_status viewed = rct_buffer_view(saved, &bytes, &len);
  return viewed != RCT_OK ? viewed : rct_load_from_buffer(bytes, len, NULL, tree, control);
}

static void progress_and_cancellation(void) {
  const char *path = scratch_path("progress.rct");
  living now = living_new(LIVING_INDUCING, N, POOL, D, M, 36);
  rct_buffer *saved = NULL;
  CHECK_OK(rct_save(now.tree, path, NULL));
  CHECK_OK(rct_save_to_buffer(now.tree, &saved, NULL));
  const int files = scratch_files();
  for (int which = 0; which < 4; which++) {
    check_context("verb %d", which);
    rct_buffer *buffer = NULL;
    rct_tree *tree = NULL;
    listener heard = {0.0, 0, 0, -1};
    const rct_control control = control_of(listen, count_and_stop, &heard);
    CHECK_OK(verb(which, &now, path, saved, &buffer, &tree, &control));
    CHECK(heard.calls > 2 && !heard.went_back && heard.last > 0.9);
    rct_buffer_free(buffer);
    rct_free(tree);
    /* Stopped at every moment it looks up; what follows rct_save's renaming cannot be stopped. */
    const int moments = heard.calls;
    for (int at = 1; at <= moments; at++) {
      check_context("verb %d, stopped at %d of %d", which, at, moments);
      listener stopper = {0.0, 0, 0, at};
      const rct_control stop = control_of(listen, count_and_stop, &stopper);
      buffer = NULL;
      tree = NULL;
      const rct_status status = verb(which, &now, path, saved, &buffer, &tree, &stop);
      CHECK(status == RCT_ERROR_CANCELLED || (which == 0 && at == moments && status == RCT_OK));
      CHECK(buffer == NULL && tree == NULL && scratch_files() == files);
    }
    CHECK_OK(rct_load(path, NULL, &tree, NULL));
    rct_free(tree);
  }
  rct_buffer_free(saved);
  living_free(&now);
}

static void null_is_freed_without_ado(void) { rct_buffer_free(NULL); }

int main(void) {
  scratch_open();
  RUN(loaded_trees_answer_as_before_and_live_on);
  RUN(a_mapped_file_may_be_replaced);
  RUN(empty_trees_are_saved_too);
  RUN(many_threads_ask_a_mapped_tree);
  RUN(a_map_takes_less_memory_than_v);
  RUN(a_path_without_a_folder);
  RUN(progress_and_cancellation);
  RUN(null_is_freed_without_ado);
  scratch_close();
  return check_report();
}
