/* Data in any layout is the same data: row-major, column-major, backwards, padded; to read and to write. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { N = 90, D = 3, M = 10, K = 7, LAYOUTS = 6 };

/* A way to lay out a rows x cols matrix in memory. */
typedef struct layout {
  const char *name;
  size_t length; /* elements in all, gaps included */
  ptrdiff_t first, row_stride, col_stride;
} layout;

static layout layout_of(int which, size_t rows, size_t cols) {
  static const char *const names[LAYOUTS] = {"row-major",   "column-major",   "padded rows",
                                             "every third", "rows backwards", "all backwards"};
  const ptrdiff_t r = (ptrdiff_t)rows, c = (ptrdiff_t)cols;
  const ptrdiff_t row_strides[LAYOUTS] = {c, 1, c + 5, 3, -c, -2};
  const ptrdiff_t col_strides[LAYOUTS] = {1, r, 1, 3 * r, 1, -2 * r - 1};
  const ptrdiff_t down = (r - 1) * row_strides[which], across = (c - 1) * col_strides[which];
  layout chosen;
  chosen.name = names[which];
  chosen.row_stride = row_strides[which];
  chosen.col_stride = col_strides[which];
  chosen.first = (down < 0 ? -down : 0) + (across < 0 ? -across : 0);
  chosen.length = (size_t)((down < 0 ? -down : down) + (across < 0 ? -across : across) + 1);
  return chosen;
}

static ptrdiff_t element(const layout *given, size_t i, size_t j) {
  return given->first + (ptrdiff_t)i * given->row_stride + (ptrdiff_t)j * given->col_stride;
}

/* Row-major values laid out anew, NaN in the gaps; `*memory` is to be freed. */
static rct_matrix lay_out(const layout *given, const double *values, size_t rows, size_t cols, double **memory) {
  *memory = (double *)malloc(given->length * sizeof **memory);
  for (size_t t = 0; t < given->length; t++) (*memory)[t] = NAN;
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) (*memory)[element(given, i, j)] = values[i * cols + j];
  rct_matrix view;
  view.data = *memory + given->first;
  view.rows = rows;
  view.cols = cols;
  view.row_stride = given->row_stride;
  view.col_stride = given->col_stride;
  return view;
}

static void input_matrices(void) {
  problem given = problem_new(N, D, M, 1);
  rct_tree *plain = problem_tree(&given);
  int64_t *ids = count_up(N);
  const rct_query by_id = query_of_ids(ids, N, K);
  double *more = uniform_array(20 * D, 2);
  const rct_query by_coords = query_of_coords(more, 20, D, K);
  answer stored = ask(plain, &by_id), fresh = ask(plain, &by_coords);
  for (int which = 0; which < LAYOUTS; which++) {
    layout layouts[3];
    layouts[0] = layout_of(which, N, D);
    layouts[1] = layout_of(which, M, D);
    layouts[2] = layout_of(which, 20, D);
    check_context("%s", layouts[0].name);
    double *memory[3];
    rct_data data = given.data;
    data.coords = lay_out(&layouts[0], given.coords, N, D, &memory[0]);
    data.inducing = lay_out(&layouts[1], given.inducing, M, D, &memory[1]);
    rct_query query = by_coords;
    query.coords = lay_out(&layouts[2], more, 20, D, &memory[2]);
    rct_tree *tree = tree_of(&given.options, &data);
    answer stored_here = ask(tree, &by_id), fresh_here = ask(tree, &query);
    CHECK(answers_equal(&stored, &stored_here));
    CHECK(answers_equal(&fresh, &fresh_here));
    answer_free(&stored_here);
    answer_free(&fresh_here);
    rct_free(tree);
    for (int t = 0; t < 3; t++) free(memory[t]);
  }
  answer_free(&stored);
  answer_free(&fresh);
  free(more);
  free(ids);
  rct_free(plain);
  problem_free(&given);
}

static void factors_and_residual_variances(void) {
  problem given = problem_new(N, D, M, 3);
  oracle truth = problem_oracle(&given);
  given.data.inducing = no_matrix();
  given.data.factor = rct_row_major(truth.factor, N, M);
  given.data.residual_variances = rct_vector_of(truth.residuals, N);
  rct_tree *plain = problem_tree(&given);
  rct_query by_coords = query_of_coords(given.coords, N, D, K);
  by_coords.factor = given.data.factor;
  by_coords.residual_variances = given.data.residual_variances;
  answer expected = ask(plain, &by_coords);
  double *backwards = (double *)malloc(2 * N * sizeof *backwards);
  for (size_t i = 0; i < 2 * N; i++) backwards[i] = NAN;
  for (size_t i = 0; i < N; i++) backwards[2 * (N - 1 - i)] = truth.residuals[i];
  rct_vector residuals;
  residuals.data = backwards + 2 * (N - 1);
  residuals.len = N;
  residuals.stride = -2;
  for (int which = 0; which < LAYOUTS; which++) {
    const layout chosen = layout_of(which, N, M);
    check_context("%s", chosen.name);
    double *memory;
    rct_data data = given.data;
    data.factor = lay_out(&chosen, truth.factor, N, M, &memory);
    data.residual_variances = residuals;
    rct_query query = by_coords;
    query.factor = data.factor;
    query.residual_variances = residuals;
    rct_tree *tree = tree_of(&given.options, &data);
    answer found = ask(tree, &query);
    CHECK(answers_equal(&expected, &found));
    answer_free(&found);
    rct_free(tree);
    free(memory);
  }
  free(backwards);
  answer_free(&expected);
  rct_free(plain);
  oracle_free(&truth);
  problem_free(&given);
}

/* Outputs of every layout hold the same, and the gaps between their elements stay as they were. */
static void output_matrices(void) {
  problem given = problem_new(N, D, M, 4);
  rct_tree *tree = problem_tree(&given);
  int64_t *ids = count_up(N);
  rct_query query = query_of_ids(ids, N, K);
  query.id_limits = query.ids;
  answer expected = ask(tree, &query);
  for (int which = 0; which < LAYOUTS; which++) {
    for (int vecchia = 0; vecchia < 2; vecchia++) {
      /* Ids in one layout, distances in another, counts backwards with gaps. */
      const layout a = layout_of(which, N, K), b = layout_of((which + 1) % LAYOUTS, N, K);
      check_context("ids %s, distances %s, vecchia %d", a.name, b.name, vecchia);
      int64_t *id_memory = (int64_t *)malloc(a.length * sizeof *id_memory);
      double *distance_memory = (double *)malloc(b.length * sizeof *distance_memory);
      int64_t count_memory[3 * N];
      for (size_t t = 0; t < a.length; t++) id_memory[t] = -99;
      for (size_t t = 0; t < b.length; t++) distance_memory[t] = -99.5;
      for (size_t t = 0; t < 3 * N; t++) count_memory[t] = -98;
      rct_neighbors out = answer_out(&expected);
      out.ids.data = id_memory + a.first;
      out.ids.row_stride = a.row_stride;
      out.ids.col_stride = a.col_stride;
      out.distances.data = distance_memory + b.first;
      out.distances.row_stride = b.row_stride;
      out.distances.col_stride = b.col_stride;
      out.counts.data = count_memory + 3 * (N - 1);
      out.counts.stride = -3;
      if (vecchia) {
        CHECK_OK(rct_vecchia_neighbors(tree, K, no_indices(), &out, NULL));
      } else {
        CHECK_OK(rct_query_batch(tree, &query, &out, NULL));
      }
      for (size_t i = 0; i < N; i++) {
        CHECK(count_memory[3 * (N - 1 - i)] == expected.counts[i]);
        count_memory[3 * (N - 1 - i)] = -98;
        for (size_t t = 0; t < K; t++) {
          CHECK(id_memory[element(&a, i, t)] == expected.ids[i * K + t]);
          CHECK(distance_memory[element(&b, i, t)] == expected.distances[i * K + t]);
          id_memory[element(&a, i, t)] = -99;
          distance_memory[element(&b, i, t)] = -99.5;
        }
      }
      int gaps_untouched = 1;
      for (size_t t = 0; t < a.length; t++) gaps_untouched &= id_memory[t] == -99;
      for (size_t t = 0; t < b.length; t++) gaps_untouched &= distance_memory[t] == -99.5;
      for (size_t t = 0; t < 3 * N; t++) gaps_untouched &= count_memory[t] == -98;
      CHECK(gaps_untouched);
      free(id_memory);
      free(distance_memory);
    }
  }
  answer_free(&expected);
  free(ids);
  rct_free(tree);
  problem_free(&given);
}

static void vectors(void) {
  problem given = problem_new(N, D, M, 5);
  rct_tree *tree = problem_tree(&given);
  int64_t *i = shuffled(N, 1), *j = shuffled(N, 2);
  double plain[N], strided[2 * N], rho[N];
  for (size_t t = 0; t < 2 * N; t++) strided[t] = -99.5;
  CHECK_OK(rct_distances(tree, rct_index_vector_of(i, N), rct_index_vector_of(j, N), rct_vector_out_of(plain, N)));
  rct_index_vector i_backwards = rct_index_vector_of(i + N - 1, N), j_backwards = rct_index_vector_of(j + N - 1, N);
  i_backwards.stride = j_backwards.stride = -1;
  rct_vector_out every_other = rct_vector_out_of(strided, N);
  every_other.stride = 2;
  CHECK_OK(rct_distances(tree, i_backwards, j_backwards, every_other));
  for (size_t t = 0; t < N; t++) CHECK(strided[2 * t] == plain[N - 1 - t] && strided[2 * t + 1] == -99.5);

  /* A stride of 0 repeats: all distances from one point. */
  rct_index_vector one = rct_index_vector_of(i, N);
  one.stride = 0;
  CHECK_OK(rct_distances(tree, one, rct_index_vector_of(j, N), rct_vector_out_of(plain, N)));
  CHECK_OK(rct_correlations(tree, one, j_backwards, every_other));
  CHECK_OK(rct_correlations(tree, one, rct_index_vector_of(j, N), rct_vector_out_of(rho, N)));
  for (size_t t = 0; t < N; t++) {
    CHECK(strided[2 * t] == rho[N - 1 - t] && strided[2 * t + 1] == -99.5);
    CHECK(fabs(1.0 - plain[t] * plain[t] - fabs(rho[t])) < 1e-12);
  }

  /* Query ids and a Vecchia order backwards. */
  int64_t *ids = count_up(N);
  rct_query query = query_of_ids(ids, N, K);
  answer forwards = ask(tree, &query);
  query.ids.data = ids + N - 1;
  query.ids.stride = -1;
  answer backwards = ask(tree, &query);
  for (size_t t = 0; t < N; t++) {
    CHECK(memcmp(forwards.ids + t * K, backwards.ids + (N - 1 - t) * K, K * sizeof(int64_t)) == 0);
    CHECK(memcmp(forwards.distances + t * K, backwards.distances + (N - 1 - t) * K, K * sizeof(double)) == 0);
  }
  oracle truth = problem_oracle(&given);
  answer vecchia = ask_vecchia(tree, N, K, query.ids);
  for (size_t t = 0; t < N; t++) i[t] = (int64_t)(N - 1 - t);
  check_vecchia(&truth, i, &vecchia);
  answer_free(&vecchia);
  answer_free(&backwards);
  answer_free(&forwards);
  oracle_free(&truth);
  free(ids);
  free(i);
  free(j);
  rct_free(tree);
  problem_free(&given);
}

int main(void) {
  RUN(input_matrices);
  RUN(factors_and_residual_variances);
  RUN(output_matrices);
  RUN(vectors);
  return check_report();
}
