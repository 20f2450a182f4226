/* Room for the answer of a query, filled beforehand with values that no answer has. */
#ifndef RCT_TESTS_ANSWER_H
#define RCT_TESTS_ANSWER_H

#include "oracle.h"

typedef struct answer {
  size_t queries, k;
  int64_t *ids;      /* queries x k, row-major */
  double *distances; /* queries x k, row-major */
  int64_t *counts;   /* queries */
} answer;

answer answer_new(size_t queries, size_t k);
void answer_free(answer *given);

/* Where the library is to write. */
rct_neighbors answer_out(const answer *given);

/* No element has been written. */
int answer_untouched(const answer *given);

/* Equal to the last bit. */
int answers_equal(const answer *a, const answer *b);

/* The answer to a query; checks that the call succeeds. */
answer ask(const rct_tree *tree, const rct_query *query);

/* As ask, of rct_vecchia_neighbors over `n` points. */
answer ask_vecchia(const rct_tree *tree, size_t n, size_t k, rct_index_vector order);

/* Checks every row against the oracle, whose first `stored` points are the tree's; with coords, query t is the
 * oracle's point stored + t. Limits, bounds and exclude_self are those of `query`. */
void check_answer(const oracle *truth, size_t stored, const rct_query *query, const answer *given);

/* As check_answer, where of the first `stored` points only those with live[j] != 0 are there. */
void check_answer_among(const oracle *truth, const unsigned char *live, size_t stored, const rct_query *query,
                        const answer *given);

/* Checks every row of a Vecchia answer against the oracle; `order`, of the points that are there, may be
 * NULL. */
void check_vecchia(const oracle *truth, const int64_t *order, const answer *given);

#endif
