/* What a tree knows: its options, its ids, what it thinks of its lengthscale, and V, p, Z, L and covariances. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "living.h"
#include "witness.h"

enum { N = 60, D = 2, M = 5 };

static rct_options options_of(const rct_tree *tree) {
  rct_options options;
  CHECK_OK(rct_options_init(&options));
  CHECK_OK(rct_get_options(tree, &options));
  return options;
}

static rct_tree_stats figures_of(const rct_tree *tree) {
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  CHECK_OK(rct_stats(tree, &stats));
  return stats;
}

static void options_are_given_back(void) {
  const double lengthscales[2] = {0.25, 4.0};
  problem given = problem_new(N, D, M, 3);
  given.options.kernel = RCT_KERNEL_RATIONAL_QUADRATIC;
  given.options.construction = RCT_CONSTRUCTION_HYBRID;
  given.options.ordering = RCT_ORDERING_NATURAL;
  given.options.traversal = RCT_TRAVERSAL_BEST_FIRST;
  given.options.threads = 2;
  given.options.alpha = 0.7;
  given.options.jitter = 1e-5;
  given.options.residual_floor = 1e-9;
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&given.options, &tree));
  rct_options found = options_of(tree);
  CHECK(memcmp(&found, &given.options, sizeof found) == 0);
  CHECK_OK(rct_build(tree, &given.data, NULL));
  found = options_of(tree);
  CHECK(memcmp(&found, &given.options, sizeof found) == 0);

  given.options.metric = RCT_METRIC_RESIDUAL;
  given.options.lengthscales = rct_vector_of(lengthscales, 2);
  CHECK_OK(rct_refit(tree, &given.options, NULL, NULL));
  rct_buffer *buffer = NULL;
  const uint8_t *bytes = NULL;
  size_t len = 0;
  rct_tree *loaded = NULL;
  CHECK_OK(rct_save_to_buffer(tree, &buffer, NULL));
  CHECK_OK(rct_buffer_view(buffer, &bytes, &len));
  CHECK_OK(rct_load_from_buffer(bytes, len, NULL, &loaded, NULL));
  const rct_tree *both[2] = {tree, loaded};
  for (int t = 0; t < 2; t++) {
    found = options_of(both[t]);
    CHECK(found.lengthscale == 0.0 && found.lengthscales.len == 2 && found.lengthscales.stride == 1);
    CHECK(found.lengthscales.data != lengthscales && memcmp(found.lengthscales.data, lengthscales, sizeof lengthscales) == 0);
    found.lengthscales = given.options.lengthscales;
    found.lengthscale = given.options.lengthscale;
    CHECK(memcmp(&found, &given.options, sizeof found) == 0);
  }
  rct_buffer_free(buffer);
  rct_free(loaded);
  rct_free(tree);
  problem_free(&given);
}

static int32_t constant(void *user, const double *x, const double *others, size_t count, size_t dim, double *out) {
  (void)user, (void)x, (void)others, (void)dim;
  for (size_t i = 0; i < count; i++) out[i] = 1.0;
  return 0;
}

static void a_covariance_of_the_callers_is_given_back(void) {
  rct_options options = default_options();
  int user = 0;
  options.kernel = RCT_KERNEL_CUSTOM;
  options.covariance = constant;
  options.covariance_user = &user;
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&options, &tree));
  const rct_options found = options_of(tree);
  CHECK(found.kernel == RCT_KERNEL_CUSTOM && found.covariance == constant && found.covariance_user == &user);
  rct_free(tree);
}

static void ids_are_those_that_are_there(void) {
  living now = living_new(LIVING_CORRELATION, N, N + 20, D, 0, 4);
  const int64_t gone[3] = {0, 17, N - 1};
  living_remove(&now, gone, 3);
  living_insert(&now, 20);
  int64_t *ids = living_ids(&now), found[2 * (N + 17)];
  memset(found, 0x55, sizeof found);
  const rct_index_vector_out every_second = {found, N + 17, 2};
  CHECK_OK(rct_ids(now.tree, every_second));
  for (size_t t = 0; t < N + 17; t++) CHECK(found[2 * t] == ids[t] && found[2 * t + 1] == 0x5555555555555555);
  CHECK_STATUS(rct_ids(now.tree, rct_index_vector_out_of(found, N)), RCT_ERROR_INVALID_ARGUMENT, "ids output|60|77");
  CHECK_STATUS(rct_ids(now.tree, rct_index_vector_out_of(NULL, 0)), RCT_ERROR_INVALID_ARGUMENT, "ids output|NULL");
  free(ids);
  living_free(&now);
}

static void a_lengthscale_in_another_unit_is_told(void) {
  problem given = problem_new(N, D, M, 5);
  rct_tree *tree = problem_tree(&given);
  rct_tree_stats stats = figures_of(tree);
  CHECK(stats.lengthscale_check == RCT_LENGTHSCALE_PLAUSIBLE && stats.warning == NULL);
  given.options.lengthscale = 1e-4;
  CHECK_OK(rct_refit(tree, &given.options, NULL, NULL));
  stats = figures_of(tree);
  CHECK(stats.lengthscale_check == RCT_LENGTHSCALE_TOO_SHORT);
  CHECK(stats.warning != NULL && strstr(stats.warning, "lengthscale is too short") != NULL);
  given.options.lengthscale = 1e4;
  CHECK_OK(rct_refit(tree, &given.options, NULL, NULL));
  stats = figures_of(tree);
  CHECK(stats.lengthscale_check == RCT_LENGTHSCALE_TOO_LONG);
  CHECK(stats.warning != NULL && strstr(stats.warning, "lengthscale is too long") != NULL);
  rct_free(tree);
  problem_free(&given);
}

/* Of stored and of new points, in any layout; and what does not fit is refused before anything is written. */
static void a_factor_in_any_layout(void) {
  problem given = problem_new(N, D, M, 6);
  rct_tree *tree = problem_tree(&given);
  oracle truth = problem_oracle(&given);
  int64_t *ids = count_up(N);
  double v[N * M], p[2 * N];
  const rct_query queries[2] = {query_of_ids(ids, N, 1), query_of_coords(given.coords, N, D, 1)};
  /* Column-major, and every second. */
  const rct_factor_out out = {{v, N, M, 1, N}, {p, N, 2}};
  for (int t = 0; t < 2; t++) {
    memset(v, 0x55, sizeof v);
    memset(p, 0x55, sizeof p);
    CHECK_OK(rct_factor(tree, &queries[t], &out, NULL));
    for (size_t i = 0; i < N; i++) {
      CHECK(fabs(p[2 * i] - truth.residuals[i]) < 1e-9);
      for (size_t j = 0; j < M; j++) CHECK(fabs(v[j * N + i] - truth.factor[i * M + j]) < 1e-6);
    }
    CHECK_STATUS(rct_factor(NULL, &queries[t], &out, NULL), RCT_ERROR_INVALID_ARGUMENT, "tree|NULL");
    CHECK_STATUS(rct_factor(tree, NULL, &out, NULL), RCT_ERROR_INVALID_ARGUMENT, "query|NULL");
    CHECK_STATUS(rct_factor(tree, &queries[t], NULL, NULL), RCT_ERROR_INVALID_ARGUMENT, "out|NULL");
  }
  double own[N * M];
  memcpy(own, v, sizeof own);
  rct_factor_out wrong = out;
  wrong.factor.cols = M + 1;
  CHECK_STATUS(rct_factor(tree, queries, &wrong, NULL), RCT_ERROR_INVALID_ARGUMENT, "factor output|60 x 6|60 x 5");
  wrong = out;
  wrong.residual_variances.len = 1;
  CHECK_STATUS(rct_factor(tree, queries, &wrong, NULL), RCT_ERROR_INVALID_ARGUMENT, "residual_variances output|1|60");
  wrong = out;
  wrong.residual_variances.data = v;
  CHECK_STATUS(rct_factor(tree, queries, &wrong, NULL), RCT_ERROR_INVALID_ARGUMENT, "overlap");
  ids[N - 1] = N;
  CHECK_STATUS(rct_factor(tree, queries, &out, NULL), RCT_ERROR_INVALID_ARGUMENT, "ids[59]|60");
  CHECK(memcmp(own, v, sizeof own) == 0);
  /* Either alone. */
  const rct_factor_out neither = {{NULL, 0, 0, 0, 0}, {NULL, 0, 1}};
  ids[N - 1] = N - 1;
  CHECK_OK(rct_factor(tree, queries, &neither, NULL));
  free(ids);
  oracle_free(&truth);
  rct_free(tree);
  problem_free(&given);
}

static void inducing_points_and_their_factor(void) {
  problem given = problem_new(N, D, M, 7);
  rct_tree *tree = problem_tree(&given);
  double z[M * D], l[M * M];
  const rct_matrix_out none = {NULL, 0, 0, 0, 0};
  CHECK_OK(rct_inducing_points(tree, rct_row_major_out(z, M, D), rct_row_major_out(l, M, M)));
  CHECK(memcmp(z, given.inducing, sizeof z) == 0);
  for (size_t i = 0; i < M; i++) {
    for (size_t j = i + 1; j < M; j++) CHECK(l[i * M + j] == 0.0);
    double square = 0.0;
    for (size_t j = 0; j <= i; j++) square += l[i * M + j] * l[i * M + j];
    CHECK(fabs(square - 1.7 * (1.0 + 1e-6)) < 1e-12);
  }
  CHECK_OK(rct_inducing_points(tree, none, none));
  CHECK_STATUS(rct_inducing_points(tree, rct_row_major_out(z, D, M), none), RCT_ERROR_INVALID_ARGUMENT,
               "inducing output|2 x 5|5 x 2");
  CHECK_STATUS(rct_inducing_points(tree, none, rct_row_major_out(l, M, D)), RCT_ERROR_INVALID_ARGUMENT,
               "cholesky output|5 x 2|5 x 5");
  CHECK_STATUS(rct_inducing_points(tree, rct_row_major_out(l, M, D), rct_row_major_out(l, M, M)),
               RCT_ERROR_INVALID_ARGUMENT, "overlap");
  rct_free(tree);

  witness with_factor = witness_new(WITNESS_FACTOR);
  CHECK_STATUS(rct_inducing_points(with_factor.tree, none, none), RCT_ERROR_UNSUPPORTED, "factor");
  witness_free(&with_factor);
  problem_free(&given);
}

static void residual_covariances_of_pairs(void) {
  problem given = problem_new(N, D, M, 8);
  rct_tree *tree = problem_tree(&given);
  oracle truth = problem_oracle(&given);
  int64_t *i = count_up(N), *j = shuffled(N, 9);
  double found[N];
  CHECK_OK(rct_residual_covariances(tree, rct_index_vector_of(i, N), rct_index_vector_of(j, N), rct_vector_out_of(found, N)));
  for (size_t t = 0; t < N; t++) {
    const size_t a = (size_t)i[t], b = (size_t)j[t];
    const double expected = oracle_correlation(&truth, a, b) * sqrt(truth.residuals[a] * truth.residuals[b]);
    CHECK(fabs(found[t] - expected) < 1e-8);
  }
  CHECK_STATUS(rct_residual_covariances(tree, rct_index_vector_of(i, N), rct_index_vector_of(j, N - 1),
                                        rct_vector_out_of(found, N)),
               RCT_ERROR_INVALID_ARGUMENT, "i has 60|j has 59");
  free(i);
  free(j);
  oracle_free(&truth);
  rct_free(tree);
  problem_free(&given);
}

/* What takes no tree, or not this one. */
static void what_is_refused(void) {
  witness seen = witness_new(WITNESS_EUCLIDEAN);
  double numbers[WITNESS_N * WITNESS_M];
  int64_t id = 0;
  const rct_index_vector one = rct_index_vector_of(&id, 1);
  const rct_vector_out out = rct_vector_out_of(numbers, 1);
  const rct_factor_out factor = {{NULL, 0, 0, 0, 0}, {NULL, 0, 1}};
  rct_options options = default_options();
  CHECK_REFUSED(&seen, rct_factor(seen.tree, &seen.query, &factor, NULL), RCT_ERROR_UNSUPPORTED, "factor|Euclidean");
  CHECK_REFUSED(&seen, rct_inducing_points(seen.tree, factor.factor, factor.factor), RCT_ERROR_UNSUPPORTED, "Euclidean");
  CHECK_REFUSED(&seen, rct_residual_covariances(seen.tree, one, one, out), RCT_ERROR_UNSUPPORTED, "Euclidean");
  CHECK_REFUSED(&seen, rct_factor(seen.unbuilt, &seen.query, &factor, NULL), RCT_ERROR_INVALID_STATE, "rct_build");
  CHECK_REFUSED(&seen, rct_ids(seen.unbuilt, rct_index_vector_out_of(&id, 1)), RCT_ERROR_INVALID_STATE, "rct_build");
  CHECK_REFUSED(&seen, rct_get_options(NULL, &options), RCT_ERROR_INVALID_ARGUMENT, "tree|NULL");
  CHECK_REFUSED(&seen, rct_get_options(seen.tree, NULL), RCT_ERROR_INVALID_ARGUMENT, "options|NULL");
  CHECK_STRUCT_SIZES(&seen, options, "options", rct_get_options(seen.tree, &options));
  witness_free(&seen);
}

int main(void) {
  RUN(options_are_given_back);
  RUN(a_covariance_of_the_callers_is_given_back);
  RUN(ids_are_those_that_are_there);
  RUN(a_lengthscale_in_another_unit_is_told);
  RUN(a_factor_in_any_layout);
  RUN(inducing_points_and_their_factor);
  RUN(residual_covariances_of_pairs);
  RUN(what_is_refused);
  return check_report();
}
