/* Saves and loads that cannot be, and damaged files: a status that says why, and nothing is lost. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "living.h"
#include "scratch.h"
#include "witness.h"

/* Valgrind computes fused multiply-adds in software, and sanitizers mark all memory that is asked for. */
#ifdef RCT_SMALL
enum { LARGE = 300, CUT = 997, FLIP = 503, PAGE = 8195 };
#else
enum { LARGE = 2000, CUT = 37, FLIP = 17, PAGE = 4099 };
#endif
enum { D = WITNESS_D, M = 20, K = 5 };

static const rct_status invalid = RCT_ERROR_INVALID_ARGUMENT, corrupt = RCT_ERROR_CORRUPT;
static witness seen;
static rct_buffer *saved; /* the witness's tree */
static const uint8_t *bytes;
static size_t length;

static rct_load_options load_options(int32_t threads, int32_t memory_map) {
  rct_load_options options;
  memset(&options, 0, sizeof options);
  CHECK_OK(rct_load_options_init(&options));
  options.threads = threads;
  options.memory_map = memory_map;
  return options;
}

static void null_pointers(void) {
  const char *path = scratch_path("null.rct");
  rct_buffer *buffer = NULL;
  rct_tree *tree = NULL;
  const uint8_t *view = NULL;
  size_t len = 77;
  CHECK_STATUS(rct_load_options_init(NULL), invalid, "options|NULL");
  CHECK_STATUS(rct_save(NULL, path, NULL), invalid, "tree|NULL");
  CHECK_REFUSED(&seen, rct_save(seen.tree, NULL, NULL), invalid, "path|NULL");
  CHECK_STATUS(rct_load(NULL, NULL, &tree, NULL), invalid, "path|NULL");
  CHECK_STATUS(rct_load(path, NULL, NULL, NULL), invalid, "tree|NULL");
  CHECK_STATUS(rct_save_to_buffer(NULL, &buffer, NULL), invalid, "tree|NULL");
  CHECK_REFUSED(&seen, rct_save_to_buffer(seen.tree, NULL, NULL), invalid, "buffer|NULL");
  CHECK_STATUS(rct_load_from_buffer(NULL, 0, NULL, &tree, NULL), invalid, "bytes|NULL");
  CHECK_STATUS(rct_load_from_buffer(NULL, 100, NULL, &tree, NULL), invalid, "bytes|NULL");
  CHECK_STATUS(rct_load_from_buffer(bytes, length, NULL, NULL, NULL), invalid, "tree|NULL");
  CHECK_STATUS(rct_buffer_view(NULL, &view, &len), invalid, "buffer|NULL");
  CHECK_STATUS(rct_buffer_view(saved, NULL, &len), invalid, "bytes|NULL");
  CHECK_STATUS(rct_buffer_view(saved, &view, NULL), invalid, "len|NULL");
  CHECK(buffer == NULL && tree == NULL && view == NULL && len == 77 && scratch_files() == 0);
  rct_buffer_free(NULL);
}

static void structs_of_another_size(void) {
  const char *path = scratch_path("sizes.rct");
  CHECK_OK(rct_save(seen.tree, path, NULL));
  rct_load_options options = load_options(-1, 0);
  rct_control control = control_of(NULL, NULL, NULL);
  rct_tree *tree = NULL;
  rct_buffer *buffer = NULL;
  CHECK_STRUCT_SIZES(&seen, options, "options", rct_load(path, &options, &tree, NULL));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_load(path, &options, &tree, &control));
  CHECK_STRUCT_SIZES(&seen, options, "options", rct_load_from_buffer(bytes, length, &options, &tree, NULL));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_load_from_buffer(bytes, length, NULL, &tree, &control));
  CHECK(unlink(path) == 0);
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_save(seen.tree, path, &control));
  CHECK_STRUCT_SIZES(&seen, control, "control", rct_save_to_buffer(seen.tree, &buffer, &control));
  CHECK(tree == NULL && buffer == NULL && scratch_files() == 0);
}

static void load_options_that_cannot_be(void) {
  const char *path = scratch_path("options.rct");
  CHECK_OK(rct_save(seen.tree, path, NULL));
  rct_tree *tree = NULL;
  rct_load_options options = load_options(-2, 0);
  CHECK_STATUS(rct_load(path, &options, &tree, NULL), invalid, "threads|-2");
  CHECK_STATUS(rct_load_from_buffer(bytes, length, &options, &tree, NULL), invalid, "threads|-2");
  options.threads = INT32_MIN;
  CHECK_STATUS(rct_load(path, &options, &tree, NULL), invalid, "threads|-2147483648");
  options.threads = 1 << 20;
  CHECK_STATUS(rct_load(path, &options, &tree, NULL), invalid, "threads|1048576");
  options = load_options(-1, 1);
  CHECK_STATUS(rct_load_from_buffer(bytes, length, &options, &tree, NULL), invalid, "memory_map|buffer");
  CHECK_STATUS(rct_load_from_buffer(bytes, SIZE_MAX, NULL, &tree, NULL), invalid, "len|18446744073709551615");
  CHECK(tree == NULL);
  CHECK(unlink(path) == 0);
}

static void trees_that_are_not_built(void) {
  const char *path = scratch_path("unbuilt.rct");
  rct_buffer *buffer = NULL;
  CHECK_REFUSED(&seen, rct_save(seen.unbuilt, path, NULL), RCT_ERROR_INVALID_STATE, "tree|rct_build");
  CHECK_REFUSED(&seen, rct_save_to_buffer(seen.unbuilt, &buffer, NULL), RCT_ERROR_INVALID_STATE, "tree|rct_build");
  CHECK(buffer == NULL && scratch_files() == 0);
}

static int32_t one(void *user, const double *x, const double *others, size_t count, size_t dim, double *out) {
  (void)user, (void)x, (void)others, (void)dim;
  for (size_t i = 0; i < count; i++) out[i] = 1.0;
  return 0;
}

static void a_custom_covariance_cannot_be_saved(void) {
  const char *path = scratch_path("custom.rct");
  write_file(path, (const uint8_t *)"mine", 4);
  problem given = problem_new(10, D, 0, 1);
  given.options.kernel = RCT_KERNEL_CUSTOM;
  given.options.covariance = one;
  rct_tree *tree = problem_tree(&given);
  rct_buffer *buffer = NULL;
  CHECK_STATUS(rct_save(tree, path, NULL), RCT_ERROR_UNSUPPORTED, "custom covariance");
  CHECK_STATUS(rct_save_to_buffer(tree, &buffer, NULL), RCT_ERROR_UNSUPPORTED, "custom covariance");
  size_t len = 0;
  uint8_t *kept = read_file(path, &len);
  CHECK(buffer == NULL && len == 4 && memcmp(kept, "mine", 4) == 0 && scratch_files() == 1);
  free(kept);
  rct_free(tree);
  problem_free(&given);
  CHECK(unlink(path) == 0);
}

static void paths_that_lead_nowhere(void) {
  const rct_status io = RCT_ERROR_IO;
  const rct_load_options map = load_options(-1, 1);
  rct_tree *tree = NULL;
  CHECK_REFUSED(&seen, rct_save(seen.tree, "", NULL), invalid, "path|empty");
  CHECK_STATUS(rct_load("", NULL, &tree, NULL), invalid, "path|empty");
  const char *nowhere = scratch_path("no/such.rct"), *missing = scratch_path("missing.rct"), *folder = scratch_path(".");
  CHECK_REFUSED(&seen, rct_save(seen.tree, nowhere, NULL), io, "no/such.rct");
  CHECK_REFUSED(&seen, rct_save(seen.tree, folder, NULL), io, "cannot write");
  CHECK_REFUSED(&seen, rct_save(seen.tree, "/proc/nothing/tree.rct", NULL), io, "/proc/nothing/tree.rct");
  CHECK_STATUS(rct_load(nowhere, NULL, &tree, NULL), io, "no/such.rct");
  CHECK_STATUS(rct_load(missing, NULL, &tree, NULL), io, "missing.rct");
  CHECK_STATUS(rct_load(folder, NULL, &tree, NULL), io, "no file");
  CHECK_STATUS(rct_load("/dev/zero", NULL, &tree, NULL), io, "/dev/zero|no file");
  CHECK_STATUS(rct_load(missing, &map, &tree, NULL), io, "missing.rct");
  CHECK_STATUS(rct_load(folder, &map, &tree, NULL), io, "cannot map");
  CHECK(tree == NULL && scratch_files() == 0);
}

static void files_that_are_no_trees(void) {
  static const char text[] = "x,y,price\n0.25,0.5,120000\n0.5,0.75,90000\n0.125,0.25,250000\n";
  const char *path = scratch_path("houses.csv");
  rct_load_options options[2] = {load_options(-1, 0), load_options(-1, 1)};
  const size_t lens[3] = {0, 7, sizeof text - 1};
  rct_tree *tree = NULL;
  for (int t = 0; t < 3; t++) {
    write_file(path, (const uint8_t *)text, lens[t]);
    for (int map = 0; map < 2; map++) {
      check_context("%d bytes, map %d", (int)lens[t], map);
      CHECK_STATUS(rct_load(path, &options[map], &tree, NULL), corrupt, "is no saved tree");
    }
    CHECK_STATUS(rct_load_from_buffer((const uint8_t *)text, lens[t], NULL, &tree, NULL), corrupt, "this is no saved tree");
  }
  CHECK(tree == NULL && unlink(path) == 0);
}

/* Each length that a copy may have been cut to, and more than there was. */
static void cut_and_lengthened(void) {
  uint8_t *longer = (uint8_t *)calloc(length + 100, 1);
  memcpy(longer, bytes, length);
  rct_tree *tree = NULL;
  for (size_t len = 0; len < length; len += len < 64 || len + 100 > length ? 1 : CUT) {
    check_context("cut to %d of %d bytes", (int)len, (int)length);
    /* Of its own, so that no byte behind it can be read unnoticed. */
    uint8_t *exact = (uint8_t *)malloc(len + (len == 0));
    memcpy(exact, bytes, len);
    CHECK_STATUS(rct_load_from_buffer(exact, len, NULL, &tree, NULL), corrupt, len == 0 ? "no saved tree" : "damaged");
    free(exact);
  }
  CHECK_STATUS(rct_load_from_buffer(longer, length + 1, NULL, &tree, NULL), corrupt, "damaged");
  CHECK_STATUS(rct_load_from_buffer(longer, length + 100, NULL, &tree, NULL), corrupt, "damaged");
  CHECK(tree == NULL);
  free(longer);
}

static void flipped_bits(void) {
  uint8_t *damaged = (uint8_t *)malloc(length);
  memcpy(damaged, bytes, length);
  int refused = 0, loaded = 0;
  for (size_t place = 0; place < length; place += place < 32 || place + 100 > length ? 1 : FLIP) {
    check_context("byte %d of %d", (int)place, (int)length);
    damaged[place] ^= (uint8_t)(1 << place % 8);
    rct_tree *tree = NULL;
    const rct_status status = rct_load_from_buffer(damaged, length, NULL, &tree, NULL);
    if (status == RCT_OK) {
      answer found = ask(tree, &seen.query);
      CHECK(answers_equal(&found, &seen.expected)); /* a gap between arrays */
      answer_free(&found);
      rct_free(tree);
      loaded++;
    } else {
      /* Of the magic number: then it is another file for all that can be told. */
      const char *words = place < 8 ? "no saved tree" : "damaged";
      CHECK(status == corrupt && tree == NULL && strstr(rct_last_error(), words) != NULL);
      refused++;
    }
    damaged[place] ^= (uint8_t)(1 << place % 8);
  }
  check_context("%d refused, %d loaded", refused, loaded);
  CHECK(refused > loaded && loaded > 0);
  free(damaged);
}

static void a_later_format_is_unsupported(void) {
  uint8_t *later = (uint8_t *)malloc(length);
  memcpy(later, bytes, length);
  later[8] = later[length - 16] = (uint8_t)(bytes[8] + 1);
  rct_tree *tree = NULL;
  CHECK_STATUS(rct_load_from_buffer(later, length, NULL, &tree, NULL), RCT_ERROR_UNSUPPORTED, "has format|reads format");
  CHECK(tree == NULL);
  free(later);
}

/* What came of a call on a tree whose V may be damaged: it went well, and as it should, or it says that V is. */
static int fine_or_corrupt(rct_status status, int as_expected, int untouched) {
  if (status == RCT_OK) return as_expected;
  return status == corrupt && untouched && strstr(rct_last_error(), "damaged") != NULL;
}

/* All that can be asked of a mapped tree: whether V was found damaged. */
static int ask_all(const living *now, const rct_tree *tree, const answer *expected, const answer *expected_vecchia) {
  int found_damage = 0;
  for (int vecchia = 0; vecchia < 2; vecchia++) {
    answer room = answer_new(now->count, K);
    const rct_neighbors out = answer_out(&room);
    int64_t *ids = living_ids(now);
    const rct_query query = query_of_ids(ids, now->count, K);
    const rct_status status = vecchia ? rct_vecchia_neighbors(tree, K, no_indices(), &out, NULL)
                                      : rct_query_batch(tree, &query, &out, NULL);
    CHECK(fine_or_corrupt(status, answers_equal(&room, vecchia ? expected_vecchia : expected), answer_untouched(&room)));
    found_damage |= status != RCT_OK;
    answer_free(&room);
    free(ids);
  }
  /* One point at a time: most of them need no damaged piece. */
  for (size_t i = 0; i < now->count; i += now->count / 20) {
    const int64_t id[1] = {(int64_t)i}, first[1] = {0};
    const rct_query query = query_of_ids(id, 1, K);
    answer room = answer_new(1, K);
    const rct_neighbors out = answer_out(&room);
    const rct_status status = rct_query_batch(tree, &query, &out, NULL);
    const int same = memcmp(room.ids, expected->ids + i * K, K * sizeof *room.ids) == 0 &&
                     memcmp(room.distances, expected->distances + i * K, K * sizeof *room.distances) == 0;
    CHECK(fine_or_corrupt(status, same, answer_untouched(&room)));
    answer_free(&room);
    rct_radius_result *result = NULL;
    const rct_status within = rct_radius_batch(tree, &query, 0.3, &result, NULL);
    CHECK(fine_or_corrupt(within, result != NULL, result == NULL));
    rct_radius_result_free(result);
    double distance[1] = {-5.0};
    const rct_status pair = rct_distances(tree, rct_index_vector_of(id, 1), rct_index_vector_of(first, 1),
                                          rct_vector_out_of(distance, 1));
    CHECK(fine_or_corrupt(pair, oracle_is_distance(&now->truth, i, 0, distance[0]), distance[0] == -5.0));
  }
  return found_damage;
}

/* A file is damaged at one place after the other, and mapped: what is read at once is found damaged at once, V when it
 * is used. No call then crashes or lies, no damage is saved as if it were sound, and with new parameters the tree is
 * whole again. */
static void damaged_files_that_are_mapped(void) {
  const char *path = scratch_path("damaged.rct"), *copy = scratch_path("copy.rct");
  living now = living_new(LIVING_INDUCING, LARGE, LARGE + 50, D, M, 40);
  CHECK_OK(rct_save(now.tree, path, NULL));
  answer expected = living_ask(&now, K), vecchia = ask_vecchia(now.tree, LARGE, K, no_indices());
  size_t len = 0;
  uint8_t *file = read_file(path, &len);
  const rct_load_options map = load_options(1, 1);
  uint64_t state = 8;
  int at_once = 0, in_use = 0;
  for (size_t place = 100; place < len; place += PAGE) {
    check_context("byte %d of %d", (int)place, (int)len);
    file[place] ^= 0x10;
    write_file(path, file, len);
    file[place] ^= 0x10;
    rct_tree *tree = NULL;
    const rct_status status = rct_load(path, &map, &tree, NULL);
    if (status != RCT_OK) {
      CHECK(status == corrupt && tree == NULL);
      at_once++;
      continue;
    }
    const int damaged = ask_all(&now, tree, &expected, &vecchia);
    in_use += damaged;
    rct_buffer *buffer = NULL;
    CHECK(fine_or_corrupt(rct_save(tree, copy, NULL), !damaged, damaged && scratch_files() == 1));
    CHECK(fine_or_corrupt(rct_save_to_buffer(tree, &buffer, NULL), !damaged, buffer == NULL));
    rct_buffer_free(buffer);
    unlink(copy);
    /* Insertions and removals succeed where they need no damaged row; if not, the tree is as it was. */
    const rct_data few = living_rows(&now, LARGE, 5), many = living_rows(&now, LARGE, 50);
    const int64_t gone[2] = {3, 4};
    rct_tree_stats stats;
    stats.struct_size = sizeof stats;
    CHECK(fine_or_corrupt(rct_insert_batch(tree, &few, NULL, NULL), 1, damaged));
    CHECK(fine_or_corrupt(rct_remove_batch(tree, rct_index_vector_of(gone, 2), NULL), 1, damaged));
    CHECK(fine_or_corrupt(rct_insert_batch(tree, &many, NULL, NULL), 1, damaged));
    CHECK_OK(rct_stats(tree, &stats));
    rct_free(tree);
    /* A fresh load, and V is made anew. */
    CHECK_OK(rct_load(path, &map, &tree, NULL));
    CHECK_OK(rct_refit(tree, &now.pool.options, NULL, NULL));
    CHECK(!ask_all(&now, tree, &expected, &vecchia));
    if (place % (8 * PAGE) == 100) {
      living_replace(&now, tree);
      living_check(&now, 10, &state);
    } else {
      rct_free(tree);
    }
  }
  check_context("%d places damaged, %d of these found in use", at_once + in_use, in_use);
  CHECK(at_once > 0 && in_use * PAGE > LARGE * M * 4);
  free(file);
  answer_free(&expected);
  answer_free(&vecchia);
  living_free(&now);
  CHECK(unlink(path) == 0);
}

/* A folder that nobody may write to, but the superuser. */
static void a_folder_that_is_closed(void) {
  const char *folder = scratch_path("closed"), *path = scratch_path("closed/tree.rct");
  CHECK(mkdir(folder, 0500) == 0);
  const rct_status status = rct_save(seen.tree, path, NULL);
  CHECK(geteuid() == 0 ? status == RCT_OK : status == RCT_ERROR_IO && strstr(rct_last_error(), path) != NULL);
  unlink(path);
  CHECK(witness_unharmed(&seen) && rmdir(folder) == 0);
}

int main(void) {
  scratch_open();
  seen = witness_new(WITNESS_INDUCING);
  CHECK_OK(rct_save_to_buffer(seen.tree, &saved, NULL));
  CHECK_OK(rct_buffer_view(saved, &bytes, &length));
  RUN(null_pointers);
  RUN(structs_of_another_size);
  RUN(load_options_that_cannot_be);
  RUN(trees_that_are_not_built);
  RUN(a_custom_covariance_cannot_be_saved);
  RUN(paths_that_lead_nowhere);
  RUN(files_that_are_no_trees);
  RUN(cut_and_lengthened);
  RUN(flipped_bits);
  RUN(a_later_format_is_unsupported);
  RUN(damaged_files_that_are_mapped);
  RUN(a_folder_that_is_closed);
  rct_buffer_free(saved);
  witness_free(&seen);
  scratch_close();
  return check_report();
}
