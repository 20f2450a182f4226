/* Orders of points and the choice of inducing points. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

enum { N = 400, D = 2, M = 25 };

static double *coords;

static double squared_distance(const double *a, const double *b) {
  double sum = 0.0;
  for (size_t j = 0; j < D; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

/* The order of the points; to be freed. */
static int64_t *order_of(rct_matrix points, int32_t ordering, uint64_t seed) {
  int64_t *order = (int64_t *)malloc(points.rows * sizeof *order);
  memset(order, -1, points.rows * sizeof *order);
  CHECK_OK(rct_order(points, ordering, seed, rct_index_vector_out_of(order, points.rows), NULL));
  return order;
}

static int is_permutation(const int64_t *order, size_t n) {
  unsigned char *seen = (unsigned char *)calloc(n, 1);
  int right = 1;
  for (size_t t = 0; t < n && right; t++) {
    right = order[t] >= 0 && order[t] < (int64_t)n && !seen[order[t]];
    if (right) seen[order[t]] = 1;
  }
  free(seen);
  return right;
}

static int same(const int64_t *a, const int64_t *b) { return memcmp(a, b, N * sizeof *a) == 0; }

static void every_order_is_a_permutation(void) {
  for (int32_t ordering = RCT_ORDERING_NATURAL; ordering <= RCT_ORDERING_RANDOM; ordering++) {
    for (size_t n = 1; n <= N; n = n * 3 + 1) {
      check_context("ordering %d, n %d", (int)ordering, (int)n);
      int64_t *order = order_of(rct_row_major(coords, n, D), ordering, 1);
      CHECK(is_permutation(order, n));
      if (ordering == RCT_ORDERING_NATURAL)
        for (size_t t = 0; t < n; t++) CHECK(order[t] == (int64_t)t);
      free(order);
    }
    /* All points equal, by a stride of 0. */
    rct_matrix equal = rct_row_major(coords, N, D);
    equal.row_stride = 0;
    int64_t *order = order_of(equal, ordering, 1);
    CHECK(is_permutation(order, N));
    free(order);
  }
}

static void the_layout_does_not_matter(void) {
  double columns[N * D];
  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < D; j++) columns[j * N + i] = coords[i * D + j];
  for (int32_t ordering = RCT_ORDERING_NATURAL; ordering <= RCT_ORDERING_RANDOM; ordering++) {
    check_context("ordering %d", (int)ordering);
    int64_t *by_rows = order_of(rct_row_major(coords, N, D), ordering, 3);
    int64_t *by_columns = order_of(rct_col_major(columns, N, D), ordering, 3);
    CHECK(same(by_rows, by_columns));
    /* Written backwards into every other place. */
    int64_t sparse[2 * N];
    for (size_t t = 0; t < 2 * N; t++) sparse[t] = -9;
    rct_index_vector_out backwards = rct_index_vector_out_of(sparse + 2 * (N - 1), N);
    backwards.stride = -2;
    CHECK_OK(rct_order(rct_row_major(coords, N, D), ordering, 3, backwards, NULL));
    for (size_t t = 0; t < N; t++) CHECK(sparse[2 * (N - 1 - t)] == by_rows[t] && sparse[2 * t + 1] == -9);
    free(by_rows);
    free(by_columns);
  }
}

static void the_seed_decides_a_random_order(void) {
  int64_t *a = order_of(rct_row_major(coords, N, D), RCT_ORDERING_RANDOM, 7);
  int64_t *again = order_of(rct_row_major(coords, N, D), RCT_ORDERING_RANDOM, 7);
  int64_t *b = order_of(rct_row_major(coords, N, D), RCT_ORDERING_RANDOM, 8);
  CHECK(same(a, again) && !same(a, b));
  free(a);
  free(again);
  free(b);
}

static void maximin_takes_the_farthest_next(void) {
  int64_t *order = order_of(rct_row_major(coords, N, D), RCT_ORDERING_MAXIMIN, 0);
  double nearest[N]; /* squared distance from the points that came before */
  for (size_t i = 0; i < N; i++) nearest[i] = INFINITY;
  for (size_t t = 0; t < N; t++) {
    double farthest = 0.0;
    for (size_t i = 0; i < N; i++) farthest = fmax(farthest, nearest[i]);
    CHECK(nearest[order[t]] >= farthest * (1.0 - 1e-12));
    for (size_t i = 0; i < N; i++)
      nearest[i] = fmin(nearest[i], squared_distance(coords + order[t] * D, coords + i * D));
  }
  free(order);
}

static double path_length(const int64_t *order) {
  double length = 0.0;
  for (size_t t = 1; t < N; t++) length += sqrt(squared_distance(coords + order[t - 1] * D, coords + order[t] * D));
  return length;
}

static void a_hilbert_curve_is_short(void) {
  int64_t *hilbert = order_of(rct_row_major(coords, N, D), RCT_ORDERING_HILBERT, 0);
  int64_t *natural = order_of(rct_row_major(coords, N, D), RCT_ORDERING_NATURAL, 0);
  /* About sqrt(N) against N / 2. */
  CHECK(path_length(hilbert) < 0.15 * path_length(natural));
  free(hilbert);
  free(natural);
}

static void orders_serve_vecchia(void) {
  problem given = problem_new(N, D, 0, 1);
  rct_tree *tree = problem_tree(&given);
  int64_t neighbors[N];
  for (int32_t ordering = RCT_ORDERING_NATURAL; ordering <= RCT_ORDERING_RANDOM; ordering++) {
    int64_t *order = order_of(given.data.coords, ordering, 5);
    rct_neighbors out;
    out.ids = rct_index_row_major_out(neighbors, N, 1);
    out.distances = rct_row_major_out(NULL, 0, 0);
    out.counts = rct_index_vector_out_of(NULL, 0);
    CHECK_OK(rct_vecchia_neighbors(tree, 1, rct_index_vector_of(order, N), &out, NULL));
    CHECK(neighbors[0] == -1 && neighbors[1] == order[0]);
    free(order);
  }
  rct_free(tree);
  problem_free(&given);
}

/* Sum over the points of the squared distance from the nearest inducing point. */
static double spread(const double *inducing, size_t m) {
  double sum = 0.0;
  for (size_t i = 0; i < N; i++) {
    double nearest = INFINITY;
    for (size_t a = 0; a < m; a++) nearest = fmin(nearest, squared_distance(coords + i * D, inducing + a * D));
    sum += nearest;
  }
  return sum;
}

static void select_points(size_t m, int32_t method, uint64_t seed, double *inducing) {
  for (size_t t = 0; t < m * D; t++) inducing[t] = NAN;
  CHECK_OK(rct_select_inducing(rct_row_major(coords, N, D), m, method, seed, rct_row_major_out(inducing, m, D), NULL));
  for (size_t t = 0; t < m * D; t++) CHECK(inducing[t] >= 0.0 && inducing[t] < 1.0);
}

static void a_random_choice_is_of_the_points(void) {
  double chosen[M * D], again[M * D], other[M * D];
  select_points(M, RCT_INDUCING_RANDOM, 4, chosen);
  select_points(M, RCT_INDUCING_RANDOM, 4, again);
  select_points(M, RCT_INDUCING_RANDOM, 5, other);
  CHECK(memcmp(chosen, again, sizeof chosen) == 0 && memcmp(chosen, other, sizeof chosen) != 0);
  for (size_t a = 0; a < M; a++) {
    int matches = 0;
    for (size_t i = 0; i < N; i++) matches += memcmp(chosen + a * D, coords + i * D, D * sizeof(double)) == 0;
    CHECK(matches == 1);
    for (size_t b = 0; b < a; b++) CHECK(memcmp(chosen + a * D, chosen + b * D, D * sizeof(double)) != 0);
  }
}

static void kmeans_covers_better_than_chance(void) {
  double centres[M * D], again[M * D], random_points[M * D];
  select_points(M, RCT_INDUCING_KMEANS_PLUS_PLUS, 4, centres);
  select_points(M, RCT_INDUCING_KMEANS_PLUS_PLUS, 4, again);
  select_points(M, RCT_INDUCING_RANDOM, 4, random_points);
  CHECK(memcmp(centres, again, sizeof centres) == 0);
  CHECK(spread(centres, M) < spread(random_points, M));
}

static void one_centre_is_the_mean(void) {
  double centre[D], mean[D] = {0.0, 0.0};
  select_points(1, RCT_INDUCING_KMEANS_PLUS_PLUS, 1, centre);
  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < D; j++) mean[j] += coords[i * D + j] / N;
  for (size_t j = 0; j < D; j++) CHECK(fabs(centre[j] - mean[j]) < 1e-12);
}

static void as_many_as_points(void) {
  static double chosen[N * D];
  for (int32_t method = RCT_INDUCING_KMEANS_PLUS_PLUS; method <= RCT_INDUCING_RANDOM; method++) {
    select_points(N, method, 1, chosen);
    CHECK(spread(chosen, N) < 1e-24);
  }
}

static void chosen_points_are_written_in_any_layout(void) {
  double plain[M * D], columns[3 * M * D];
  select_points(M, RCT_INDUCING_KMEANS_PLUS_PLUS, 9, plain);
  for (size_t t = 0; t < 3 * M * D; t++) columns[t] = -9.5;
  rct_matrix_out out = rct_row_major_out(columns, M, D);
  out.row_stride = 3;
  out.col_stride = 3 * M;
  CHECK_OK(rct_select_inducing(rct_row_major(coords, N, D), M, RCT_INDUCING_KMEANS_PLUS_PLUS, 9, out, NULL));
  for (size_t a = 0; a < M; a++)
    for (size_t j = 0; j < D; j++) CHECK(columns[3 * (a + j * M)] == plain[a * D + j]);
  for (size_t t = 0; t < 3 * M * D; t++) CHECK(t % 3 == 0 || columns[t] == -9.5);
}

int main(void) {
  coords = uniform_array(N * D, 1);
  RUN(every_order_is_a_permutation);
  RUN(the_layout_does_not_matter);
  RUN(the_seed_decides_a_random_order);
  RUN(maximin_takes_the_farthest_next);
  RUN(a_hilbert_curve_is_short);
  RUN(orders_serve_vecchia);
  RUN(a_random_choice_is_of_the_points);
  RUN(kmeans_covers_better_than_chance);
  RUN(one_centre_is_the_mean);
  RUN(as_many_as_points);
  RUN(chosen_points_are_written_in_any_layout);
  free(coords);
  return check_report();
}
