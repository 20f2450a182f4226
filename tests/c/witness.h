/* A small tree and room for its answer: after a call that failed, the room is as it was and the tree answers as
 * before. Tests of bad input use it. */
#ifndef RCT_TESTS_WITNESS_H
#define RCT_TESTS_WITNESS_H

#include "answer.h"
#include "check.h"
#include "problem.h"

enum { WITNESS_N = 20, WITNESS_D = 2, WITNESS_M = 4, WITNESS_K = 3 };

typedef struct witness {
  problem given;     /* WITNESS_N points, WITNESS_D dimensions, WITNESS_M inducing points */
  int64_t *ids;      /* of all points */
  rct_tree *tree;    /* built */
  rct_tree *unbuilt; /* of the same options */
  rct_query query;   /* WITNESS_K neighbours of all points */
  answer expected;   /* the answer to it */
  answer room;       /* never to be written */
  rct_neighbors out; /* views of the room */
} witness;

/* Under the residual metric, with inducing points or the caller's factor; or under the Euclidean one. */
typedef enum witness_kind {
  WITNESS_INDUCING,
  WITNESS_FACTOR,
  WITNESS_FACTOR_AND_RESIDUALS,
  WITNESS_EUCLIDEAN
} witness_kind;

witness witness_new(witness_kind kind);
void witness_free(witness *seen);

/* The room is untouched, the tree answers as before, the other tree is still unbuilt. */
int witness_unharmed(const witness *seen);

/* The call fails as in CHECK_STATUS, and does no harm. */
#define CHECK_REFUSED(seen, call, status, words) \
  (CHECK_STATUS(call, status, words), check_that(witness_unharmed(seen), "no harm by " #call, __FILE__, __LINE__))

/* CHECK_REFUSED of `call` with `structure.struct_size` 0, one less and one more than right, and huge. */
#define CHECK_STRUCT_SIZES(seen, structure, words, call)                           \
  do {                                                                             \
    const size_t right = sizeof(structure);                                        \
    const size_t wrong[5] = {0, sizeof(size_t), right - 1, right + 1, SIZE_MAX};   \
    for (int t = 0; t < 5; t++) {                                                  \
      (structure).struct_size = wrong[t];                                          \
      check_context("struct_size %lu", (unsigned long)wrong[t]);                   \
      CHECK_REFUSED(seen, call, RCT_ERROR_INVALID_ARGUMENT, words "|struct_size"); \
    }                                                                              \
    (structure).struct_size = right;                                               \
    check_context("%s", "");                                                       \
  } while (0)

#endif
