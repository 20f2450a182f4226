#include "problem.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

double next_uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 9007199254740992.0; /* 2^53 */
}

double *uniform_array(size_t count, uint64_t seed) {
  uint64_t state = seed * 2654435761u + 1;
  double *values = (double *)malloc((count + 1) * sizeof *values);
  for (size_t i = 0; i < count; i++) values[i] = next_uniform(&state);
  return values;
}

int64_t *count_up(size_t count) {
  int64_t *ids = (int64_t *)malloc((count + 1) * sizeof *ids);
  for (size_t i = 0; i < count; i++) ids[i] = (int64_t)i;
  return ids;
}

int64_t *shuffled(size_t count, uint64_t seed) {
  int64_t *ids = count_up(count);
  uint64_t state = seed;
  for (size_t i = count; i > 1; i--) {
    const size_t j = (size_t)(next_uniform(&state) * (double)i);
    const int64_t swapped = ids[i - 1];
    ids[i - 1] = ids[j];
    ids[j] = swapped;
  }
  return ids;
}

rct_options default_options(void) {
  rct_options options;
  memset(&options, 0, sizeof options);
  CHECK_OK(rct_options_init(&options));
  options.lengthscale = 1.0;
  return options;
}

rct_data data_of(const double *coords, size_t n, size_t d) {
  rct_data data;
  memset(&data, 0, sizeof data);
  CHECK_OK(rct_data_init(&data));
  data.coords = rct_row_major(coords, n, d);
  return data;
}

static rct_query empty_query(size_t k) {
  rct_query query;
  memset(&query, 0, sizeof query);
  CHECK_OK(rct_query_init(&query));
  query.k = k;
  return query;
}

rct_query query_of_ids(const int64_t *ids, size_t count, size_t k) {
  rct_query query = empty_query(k);
  query.ids = rct_index_vector_of(ids, count);
  return query;
}

rct_query query_of_coords(const double *coords, size_t count, size_t d, size_t k) {
  rct_query query = empty_query(k);
  query.coords = rct_row_major(coords, count, d);
  return query;
}

rct_control control_of(rct_progress_fn progress, rct_should_stop_fn should_stop, void *user) {
  rct_control control;
  memset(&control, 0, sizeof control);
  CHECK_OK(rct_control_init(&control));
  control.progress = progress;
  control.should_stop = should_stop;
  control.user = user;
  return control;
}

rct_vector no_vector(void) { return rct_vector_of(NULL, 0); }
rct_matrix no_matrix(void) { return rct_row_major(NULL, 0, 0); }
rct_index_vector no_indices(void) { return rct_index_vector_of(NULL, 0); }

problem problem_new(size_t n, size_t d, size_t m, uint64_t seed) {
  problem given;
  given.n = n;
  given.d = d;
  given.m = m;
  given.coords = uniform_array(n * d, seed);
  given.inducing = uniform_array(m * d, seed + 1);
  given.options = default_options();
  given.options.threads = 1;
  given.options.variance = 1.7;
  given.options.lengthscale = 0.3;
  given.data = data_of(given.coords, n, d);
  if (m > 0) given.data.inducing = rct_row_major(given.inducing, m, d);
  return given;
}

void problem_free(problem *given) {
  free(given->coords);
  free(given->inducing);
}

rct_tree *tree_of(const rct_options *options, const rct_data *data) {
  rct_tree *tree = NULL;
  if (!CHECK_OK(rct_create(options, &tree))) return NULL;
  if (CHECK_OK(rct_build(tree, data, NULL))) return tree;
  rct_free(tree);
  return NULL;
}

rct_tree *problem_tree(const problem *given) { return tree_of(&given->options, &given->data); }

oracle problem_oracle(const problem *given) { return problem_oracle_with(given, NULL, 0); }

oracle problem_oracle_with(const problem *given, const double *more, size_t count) {
  const size_t d = given->d, n = given->n + count;
  const size_t m = given->options.metric == RCT_METRIC_RESIDUAL ? given->m : 0;
  double *all = (double *)malloc(n * d * sizeof *all);
  memcpy(all, given->coords, given->n * d * sizeof *all);
  if (count > 0) memcpy(all + given->n * d, more, count * d * sizeof *all);
  oracle truth = oracle_new(&given->options, all, n, d, given->inducing, m);
  free(all);
  return truth;
}
