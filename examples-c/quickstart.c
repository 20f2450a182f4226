/* rct in one page: 2,000 random points, and for each the 10 earlier ones that a Vecchia approximation conditions on.
 *   cc -std=c99 quickstart.c -lrct -o quickstart && ./quickstart */
#include <stdio.h>
#include <stdlib.h>

#include "rct.h"

enum { N = 2000, D = 2, M = 100, K = 10 };

static double coords[N * D], inducing[M * D], distances[N * K];
static int64_t neighbors[N * K];

static double uniform(void) {
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) / 9007199254740992.0; /* 2^53 */
}

static void check(rct_status status) {
  if (status == RCT_OK) return;
  fprintf(stderr, "%s: %s\n", rct_status_name(status), rct_last_error());
  exit(EXIT_FAILURE);
}

int main(void) {
  for (int i = 0; i < N * D; i++) coords[i] = uniform();

  /* The data: points, and inducing points whose share of the correlation is removed before neighbours are sought. */
  rct_data data;
  check(rct_data_init(&data));
  data.coords = rct_row_major(coords, N, D);
  data.inducing = rct_row_major(inducing, M, D);
  check(rct_select_inducing(data.coords, M, RCT_INDUCING_KMEANS_PLUS_PLUS, 1, rct_row_major_out(inducing, M, D), NULL));

  /* The tree: everything not set here keeps its default. */
  rct_options options;
  check(rct_options_init(&options));
  options.kernel = RCT_KERNEL_MATERN32;
  options.lengthscale = 0.2;
  rct_tree *tree = NULL;
  check(rct_create(&options, &tree));
  check(rct_build(tree, &data, NULL));

  /* The search: row i has the K nearest of the points before point i. (Another order than by id may be given.) These are
   * sets for a VIF likelihood; a plain Vecchia one takes those of RCT_METRIC_CORRELATION, without inducing points. */
  rct_index_vector by_id = {NULL, 0, 1};
  rct_neighbors out = {rct_index_row_major_out(neighbors, N, K), rct_row_major_out(distances, N, K), {NULL, 0, 1}};
  check(rct_vecchia_neighbors(tree, K, by_id, &out, NULL));

  const int point = N - 1;
  printf("point %d at (%.3f, %.3f) is conditioned on\n", point, coords[point * D], coords[point * D + 1]);
  for (int j = point * K; j < point * K + K; j++)
    printf("  point %4d at (%.3f, %.3f), distance %.6f\n", (int)neighbors[j], coords[neighbors[j] * D],
           coords[neighbors[j] * D + 1], distances[j]);
  rct_free(tree);
  return EXIT_SUCCESS;
}
