#include "answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const int64_t ID = -77, COUNT = -78;
static const double DISTANCE = -77.25;

answer answer_new(size_t queries, size_t k) {
  answer given;
  given.queries = queries;
  given.k = k;
  given.ids = (int64_t *)malloc(queries * k * sizeof *given.ids);
  given.distances = (double *)malloc(queries * k * sizeof *given.distances);
  given.counts = (int64_t *)malloc(queries * sizeof *given.counts);
  for (size_t t = 0; t < queries * k; t++) given.ids[t] = ID;
  for (size_t t = 0; t < queries * k; t++) given.distances[t] = DISTANCE;
  for (size_t t = 0; t < queries; t++) given.counts[t] = COUNT;
  return given;
}

void answer_free(answer *given) {
  free(given->ids);
  free(given->distances);
  free(given->counts);
}

rct_neighbors answer_out(const answer *given) {
  rct_neighbors out;
  out.ids = rct_index_row_major_out(given->ids, given->queries, given->k);
  out.distances = rct_row_major_out(given->distances, given->queries, given->k);
  out.counts = rct_index_vector_out_of(given->counts, given->queries);
  return out;
}

int answer_untouched(const answer *given) {
  for (size_t t = 0; t < given->queries * given->k; t++)
    if (given->ids[t] != ID || given->distances[t] != DISTANCE) return 0;
  for (size_t t = 0; t < given->queries; t++)
    if (given->counts[t] != COUNT) return 0;
  return 1;
}

int answers_equal(const answer *a, const answer *b) {
  const size_t elements = a->queries * a->k;
  return a->queries == b->queries && a->k == b->k && memcmp(a->ids, b->ids, elements * sizeof *a->ids) == 0 &&
         memcmp(a->distances, b->distances, elements * sizeof *a->distances) == 0 &&
         memcmp(a->counts, b->counts, a->queries * sizeof *a->counts) == 0;
}

answer ask(const rct_tree *tree, const rct_query *query) {
  const size_t queries = query->ids.data != NULL ? query->ids.len : query->coords.rows;
  const answer given = answer_new(queries, query->k);
  const rct_neighbors out = answer_out(&given);
  CHECK_OK(rct_query_batch(tree, query, &out, NULL));
  return given;
}

answer ask_vecchia(const rct_tree *tree, size_t n, size_t k, rct_index_vector order) {
  const answer given = answer_new(n, k);
  const rct_neighbors out = answer_out(&given);
  CHECK_OK(rct_vecchia_neighbors(tree, k, order, &out, NULL));
  return given;
}

static int64_t index_at(rct_index_vector vector, size_t t) { return vector.data[(ptrdiff_t)t * vector.stride]; }

void check_answer(const oracle *truth, size_t stored, const rct_query *query, const answer *given) {
  check_answer_among(truth, NULL, stored, query, given);
}

void check_answer_among(const oracle *truth, const unsigned char *live, size_t stored, const rct_query *query,
                        const answer *given) {
  unsigned char *allowed = (unsigned char *)calloc(truth->n, 1);
  const rct_index_vector limits = query->id_limits;
  const rct_vector bounds = query->max_distances;
  for (size_t t = 0; t < given->queries; t++) {
    const int by_id = query->ids.data != NULL;
    const size_t point = by_id ? (size_t)index_at(query->ids, t) : stored + t;
    double bound = INFINITY;
    if (bounds.data != NULL) bound = bounds.data[bounds.len == 1 ? 0 : (ptrdiff_t)t * bounds.stride];
    for (size_t j = 0; j < stored; j++) {
      const int below = limits.data == NULL || (int64_t)j < index_at(limits, limits.len == 1 ? 0 : t);
      const int there = live == NULL || live[j] != 0;
      allowed[j] = there && below && !(query->exclude_self && by_id && j == point);
    }
    CHECK(oracle_agrees(truth, point, allowed, bound, given->k, given->ids + t * given->k,
                        given->distances + t * given->k, given->counts[t]));
  }
  free(allowed);
}

void check_vecchia(const oracle *truth, const int64_t *order, const answer *given) {
  unsigned char *allowed = (unsigned char *)calloc(truth->n, 1);
  for (size_t t = 0; t < given->queries; t++) {
    const size_t point = order == NULL ? t : (size_t)order[t];
    CHECK(oracle_agrees(truth, point, allowed, INFINITY, given->k, given->ids + t * given->k,
                        given->distances + t * given->k, given->counts[t]));
    allowed[point] = 1;
  }
  free(allowed);
}
