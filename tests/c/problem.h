/* Random problems: points, inducing points and options, their trees and their oracles. */
#ifndef RCT_TESTS_PROBLEM_H
#define RCT_TESTS_PROBLEM_H

#include "oracle.h"

typedef struct problem {
  size_t n, d, m;
  double *coords;      /* n x d, row-major */
  double *inducing;    /* m x d, row-major */
  rct_options options; /* defaults, but one thread, variance 1.7 and lengthscale 0.3 */
  rct_data data;       /* views of both; `inducing` only where m > 0 */
} problem;

/* Points and inducing points uniform in the unit cube, the same for the same seed. */
problem problem_new(size_t n, size_t d, size_t m, uint64_t seed);
void problem_free(problem *given);

/* A tree over `data`, built; NULL after a failed check. */
rct_tree *tree_of(const rct_options *options, const rct_data *data);
rct_tree *problem_tree(const problem *given);

/* The oracle of the problem's metric: inducing points only for the residual one. */
oracle problem_oracle(const problem *given);

/* As problem_oracle, with `count` new points (row-major, count x d) after the stored ones. */
oracle problem_oracle_with(const problem *given, const double *more, size_t count);

/* The next number of [0, 1) after `*state`. */
double next_uniform(uint64_t *state);

/* `count` of them; to be freed. */
double *uniform_array(size_t count, uint64_t seed);

/* 0, 1, ..., count - 1; to be freed. */
int64_t *count_up(size_t count);

/* A permutation of 0, ..., count - 1; to be freed. */
int64_t *shuffled(size_t count, uint64_t seed);

/* rct_options_init, rct_data_init, rct_query_init and rct_control_init as functions; the lengthscale is 1. */
rct_options default_options(void);
rct_data data_of(const double *coords, size_t n, size_t d);
rct_query query_of_ids(const int64_t *ids, size_t count, size_t k);
rct_query query_of_coords(const double *coords, size_t count, size_t d, size_t k);
rct_control control_of(rct_progress_fn progress, rct_should_stop_fn should_stop, void *user);

/* Views that say "absent". */
rct_vector no_vector(void);
rct_matrix no_matrix(void);
rct_index_vector no_indices(void);

#endif
