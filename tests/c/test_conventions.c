/* Version, names, defaults, messages and figures are as the header says. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

static void no_message_before_the_first_failure(void) {
  CHECK(rct_last_error() != NULL && rct_last_error()[0] == '\0');
  rct_options options;
  CHECK_OK(rct_options_init(&options));
  CHECK(rct_last_error()[0] == '\0');
}

static void the_library_is_the_headers(void) {
  char version[64];
  snprintf(version, sizeof version, "%d.%d.%d", RCT_VERSION_MAJOR, RCT_VERSION_MINOR, RCT_VERSION_PATCH);
  CHECK(strcmp(rct_version(), RCT_VERSION) == 0);
  CHECK(strcmp(rct_version(), version) == 0);
  CHECK(rct_abi_version() == RCT_ABI_VERSION);
}

#define CHECK_STATUS_NAME(status, number) CHECK((status) == (number) && strcmp(rct_status_name(status), #status) == 0)

static void statuses_have_their_numbers_and_names(void) {
  CHECK_STATUS_NAME(RCT_OK, 0);
  CHECK_STATUS_NAME(RCT_ERROR_INVALID_ARGUMENT, 1);
  CHECK_STATUS_NAME(RCT_ERROR_INVALID_STATE, 2);
  CHECK_STATUS_NAME(RCT_ERROR_NOT_FINITE, 3);
  CHECK_STATUS_NAME(RCT_ERROR_NOT_POSITIVE_DEFINITE, 4);
  CHECK_STATUS_NAME(RCT_ERROR_OUT_OF_MEMORY, 5);
  CHECK_STATUS_NAME(RCT_ERROR_IO, 6);
  CHECK_STATUS_NAME(RCT_ERROR_CORRUPT, 7);
  CHECK_STATUS_NAME(RCT_ERROR_UNSUPPORTED, 8);
  CHECK_STATUS_NAME(RCT_ERROR_CANCELLED, 9);
  CHECK_STATUS_NAME(RCT_ERROR_INTERNAL, 10);
  const int32_t unknown[5] = {-1, 11, 1000, INT32_MAX, INT32_MIN};
  for (int t = 0; t < 5; t++) CHECK(strcmp(rct_status_name(unknown[t]), "unknown status") == 0);
}

static int absent_vector(rct_vector v) { return v.data == NULL && v.len == 0; }
static int absent_indices(rct_index_vector v) { return v.data == NULL && v.len == 0; }
static int absent_matrix(rct_matrix v) { return v.data == NULL && v.rows == 0; }

/* Everything is overwritten, whatever was there. */
static void defaults_are_those_documented(void) {
  rct_options options;
  memset(&options, 0xA5, sizeof options);
  CHECK_OK(rct_options_init(&options));
  CHECK(options.struct_size == sizeof options);
  CHECK(options.metric == RCT_METRIC_RESIDUAL && options.kernel == RCT_KERNEL_MATERN32);
  CHECK(options.construction == RCT_CONSTRUCTION_PURE && options.ordering == RCT_ORDERING_HILBERT);
  CHECK(options.traversal == RCT_TRAVERSAL_AUTO && options.threads == 0);
  CHECK(options.variance == 1.0 && options.lengthscale == 0.0 && absent_vector(options.lengthscales));
  CHECK(options.alpha == 1.0 && options.jitter == 1e-6 && options.residual_floor == 1e-10);
  CHECK(options.covariance == NULL && options.covariance_user == NULL);

  rct_data data;
  memset(&data, 0xA5, sizeof data);
  CHECK_OK(rct_data_init(&data));
  CHECK(data.struct_size == sizeof data && absent_matrix(data.coords) && absent_matrix(data.inducing));
  CHECK(absent_matrix(data.factor) && absent_vector(data.residual_variances));

  rct_query query;
  memset(&query, 0xA5, sizeof query);
  CHECK_OK(rct_query_init(&query));
  CHECK(query.struct_size == sizeof query && query.k == 1 && absent_indices(query.ids) && absent_matrix(query.coords));
  CHECK(absent_matrix(query.factor) && absent_vector(query.residual_variances) && absent_indices(query.id_limits));
  CHECK(absent_vector(query.max_distances) && query.exclude_self == 0 && query.traversal == RCT_TRAVERSAL_AUTO);

  rct_control control;
  memset(&control, 0xA5, sizeof control);
  CHECK_OK(rct_control_init(&control));
  CHECK(control.struct_size == sizeof control && control.progress == NULL && control.should_stop == NULL);
  CHECK(control.user == NULL);
}

static void views_of_contiguous_memory(void) {
  double numbers[6] = {0.0};
  int64_t ids[6] = {0};
  const rct_matrix rows = rct_row_major(numbers, 2, 3), columns = rct_col_major(numbers, 2, 3);
  CHECK(rows.data == numbers && rows.rows == 2 && rows.cols == 3 && rows.row_stride == 3 && rows.col_stride == 1);
  CHECK(columns.rows == 2 && columns.cols == 3 && columns.row_stride == 1 && columns.col_stride == 2);
  const rct_matrix_out out = rct_row_major_out(numbers, 2, 3);
  CHECK(out.data == numbers && out.rows == 2 && out.cols == 3 && out.row_stride == 3 && out.col_stride == 1);
  const rct_index_matrix_out id_out = rct_index_row_major_out(ids, 2, 3);
  CHECK(id_out.data == ids && id_out.rows == 2 && id_out.cols == 3 && id_out.row_stride == 3 && id_out.col_stride == 1);
  const rct_vector vector = rct_vector_of(numbers, 6);
  const rct_vector_out vector_out = rct_vector_out_of(numbers, 6);
  const rct_index_vector indices = rct_index_vector_of(ids, 6);
  const rct_index_vector_out indices_out = rct_index_vector_out_of(ids, 6);
  CHECK(vector.data == numbers && vector.len == 6 && vector.stride == 1);
  CHECK(vector_out.data == numbers && vector_out.len == 6 && vector_out.stride == 1);
  CHECK(indices.data == ids && indices.len == 6 && indices.stride == 1);
  CHECK(indices_out.data == ids && indices_out.len == 6 && indices_out.stride == 1);
}

static void a_message_stays_until_the_next_failure(void) {
  CHECK_STATUS(rct_options_init(NULL), RCT_ERROR_INVALID_ARGUMENT, "options|NULL");
  rct_options options;
  CHECK_OK(rct_options_init(&options));
  rct_free(NULL);
  CHECK(strstr(rct_last_error(), "options") != NULL);
  CHECK_STATUS(rct_data_init(NULL), RCT_ERROR_INVALID_ARGUMENT, "data|NULL");
  CHECK(strstr(rct_last_error(), "options") == NULL);
}

typedef struct thread_messages {
  int empty_at_first, own_after_failure;
} thread_messages;

static void *fail_on_a_thread(void *argument) {
  thread_messages *seen = (thread_messages *)argument;
  seen->empty_at_first = rct_last_error()[0] == '\0';
  rct_query_init(NULL);
  seen->own_after_failure = strstr(rct_last_error(), "query") != NULL;
  return NULL;
}

static void messages_are_the_threads_own(void) {
  CHECK_STATUS(rct_options_init(NULL), RCT_ERROR_INVALID_ARGUMENT, "options|NULL");
  thread_messages seen = {0, 0};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fail_on_a_thread, &seen) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(seen.empty_at_first && seen.own_after_failure);
  CHECK(strstr(rct_last_error(), "options") != NULL && strstr(rct_last_error(), "query") == NULL);
}

static rct_tree_stats stats_of(const rct_tree *tree) {
  rct_tree_stats stats;
  memset(&stats, 0xA5, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(tree, &stats));
  CHECK(stats.struct_size == sizeof stats);
  return stats;
}

static void figures_of_a_tree(void) {
  enum { N = 700, D = 3, M = 30, K = 6 };
  problem given = problem_new(N, D, M, 1);
  rct_tree *tree = problem_tree(&given);
  rct_tree_stats stats = stats_of(tree);
  CHECK(stats.n == N && stats.m == M && stats.d == D);
  CHECK(strcmp(stats.plan, "brute force") == 0 && strstr(stats.plan_reason, "so few points") != NULL);
  CHECK(stats.nodes == 0 && stats.levels == 0 && stats.max_fan_out == 0 && stats.depth == 0);
  CHECK_OK(rct_validate(tree, NULL));
  stats = stats_of(tree);
  CHECK(stats.nodes == N);
  CHECK(stats.levels >= 1 && stats.max_fan_out >= 1 && stats.max_fan_out < N && stats.depth >= 1 && stats.depth < N);
  /* At least coordinates, V and p; at most what nobody would believe. */
  CHECK(stats.memory_bytes >= N * (D + M + 1) * 4 && stats.memory_bytes < (size_t)1 << 28);
  CHECK(stats.build_evaluations >= N - 1);
  CHECK(stats.seconds_factor >= 0.0 && stats.seconds_order >= 0.0 && stats.seconds_tree > 0.0);
  CHECK(stats.seconds_factor < 600.0 && stats.seconds_order < 600.0 && stats.seconds_tree < 600.0);
  CHECK(stats.brute_force_only == 0);
  CHECK(stats.queries == 0 && stats.distance_evaluations == 0 && stats.nodes_visited == 0);
  CHECK(stats.seconds_search == 0.0);

  int64_t *ids = count_up(N);
  for (int32_t traversal = RCT_TRAVERSAL_BEST_FIRST; traversal <= RCT_TRAVERSAL_BRUTE_FORCE; traversal++) {
    check_context("traversal %d", (int)traversal);
    rct_query query = query_of_ids(ids, 50, K);
    query.traversal = traversal;
    answer found = ask(tree, &query);
    answer_free(&found);
    stats = stats_of(tree);
    CHECK(stats.last_traversal == traversal && stats.queries == 50);
    CHECK(stats.distance_evaluations >= 50 * K && stats.seconds_search > 0.0 && stats.seconds_search < 600.0);
    CHECK(stats.pruned_by_ball + stats.pruned_by_cell + stats.pruned_by_id <= stats.nodes_visited);
    CHECK(stats.n == N && stats.m == M && stats.d == D);
    if (traversal == RCT_TRAVERSAL_BRUTE_FORCE) CHECK(stats.distance_evaluations >= 50 * (N - 1));
  }
  answer found = ask_vecchia(tree, N, K, no_indices());
  answer_free(&found);
  CHECK(stats_of(tree).queries == N);
  /* A radius search is a search too, and reading figures is none. */
  const rct_query query = query_of_ids(ids, 7, 1);
  rct_radius_result *result = NULL;
  CHECK_OK(rct_radius_batch(tree, &query, 0.5, &result, NULL));
  rct_radius_result_free(result);
  CHECK(stats_of(tree).queries == 7 && stats_of(tree).queries == 7);
  free(ids);
  rct_free(tree);
  problem_free(&given);
}

static void figures_of_one_point(void) {
  problem given = problem_new(1, 2, 0, 1);
  rct_tree *tree = problem_tree(&given);
  CHECK_OK(rct_validate(tree, NULL));
  const rct_tree_stats stats = stats_of(tree);
  CHECK(stats.n == 1 && stats.m == 0 && stats.d == 2 && stats.nodes == 1 && stats.levels >= 1);
  CHECK(stats.max_fan_out == 0 && stats.depth == 0);
  rct_free(tree);
  problem_free(&given);
}

static void an_unbuilt_tree_can_be_freed(void) {
  rct_tree *tree = NULL;
  const rct_options options = default_options();
  CHECK_OK(rct_create(&options, &tree));
  CHECK(tree != NULL);
  rct_free(tree);
}

int main(void) {
  RUN(no_message_before_the_first_failure);
  RUN(the_library_is_the_headers);
  RUN(statuses_have_their_numbers_and_names);
  RUN(defaults_are_those_documented);
  RUN(views_of_contiguous_memory);
  RUN(a_message_stays_until_the_next_failure);
  RUN(messages_are_the_threads_own);
  RUN(figures_of_a_tree);
  RUN(figures_of_one_point);
  RUN(an_unbuilt_tree_can_be_freed);
  return check_report();
}
