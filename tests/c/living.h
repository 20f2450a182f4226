/* A tree under change, and what it should hold: points arrive, leave, and have other parameters, and after each change
 * the tree is asked and compared with the oracle, or with a tree that is built at once. */
#ifndef RCT_TESTS_LIVING_H
#define RCT_TESTS_LIVING_H

#include "answer.h"
#include "problem.h"

/* What the tree is built from. */
typedef enum living_kind {
  LIVING_INDUCING,
  LIVING_FACTOR,
  LIVING_FACTOR_AND_RESIDUALS,
  LIVING_CORRELATION,
  LIVING_EUCLIDEAN,
  LIVING_KINDS
} living_kind;

typedef struct living {
  living_kind kind;
  problem pool;        /* all points that there will ever be: that with id i is row i */
  oracle truth;        /* of the pool */
  size_t next;         /* the id that the next point has */
  size_t count;        /* points that are there */
  unsigned char *live; /* of the pool's: which are there */
  rct_tree *tree;
} living;

/* Made of the first n of `pool` points, with m inducing points or columns of V, and the options of problem_new. */
living living_new(living_kind kind, size_t n, size_t pool, size_t d, size_t m, uint64_t seed);

/* As living_new, with these options, but for the metric, which is the kind's. */
living living_with(const rct_options *options, living_kind kind, size_t n, size_t pool, size_t d, size_t m,
                   uint64_t seed);
void living_free(living *now);

/* Rows first, ..., first + count - 1 of the pool, with what comes with them; without inducing points. */
rct_data living_rows(const living *now, size_t first, size_t count);

/* The ids of the points that are there, ascending; to be freed. */
int64_t *living_ids(const living *now);

/* Inserts the next `count` points of the pool, which must have them. */
void living_insert(living *now, size_t count);

/* Removes these points, which must be there. */
void living_remove(living *now, const int64_t *ids, size_t count);

/* Notes that points were inserted, or removed. */
void living_note_inserted(living *now, size_t count);
void living_note_removed(living *now, const int64_t *ids, size_t count);

/* Gives the tree other options, and inducing points (m x d; NULL for those that it has). Where V is the caller's, it is
 * that of the inducing points. */
void living_refit(living *now, const rct_options *options, const double *inducing, size_t m);

/* What rct_refit is to be given for that; V and p are copied to `*factor` and `*residuals`, to be freed. The living
 * tree's own truth is from now on that of these parameters. */
rct_data living_refit_data(living *now, const rct_options *options, const double *inducing, size_t m, double **factor,
                           double **residuals);

/* Puts another tree, which should hold the same, in place of the tree, which is freed. */
void living_replace(living *now, rct_tree *tree);

/* Asks for neighbours of up to `most` points, stored and new, with all that a query may have, for all within a radius,
 * for distances; checks each against the oracle. `*state` chooses. */
void living_check(const living *now, size_t most, uint64_t *state);

/* Checks the Vecchia neighbours of all points against the oracle. */
void living_check_vecchia(const living *now);

/* Checks that a tree that is built of the points that are there answers the same, to the last bit. */
void living_check_fresh(const living *now);

/* All answers that can be asked for, to compare before and after: k neighbours of all points. Freed by answer_free. */
answer living_ask(const living *now, size_t k);

#endif
