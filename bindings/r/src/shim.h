/* What the files of this shim share: R objects as rct's arguments and back. Nothing here copies a matrix of doubles. */
#ifndef RCT_R_SHIM_H
#define RCT_R_SHIM_H

#define R_NO_REMAP
#include <Rinternals.h>

#include "rct.h"

/* arguments.c: each raises an R error that names the argument and its value, so they are called before any call into
 * the library and while nothing is held that R does not own. */

/* Element `name` of a list, or NULL. */
SEXP shim_element(SEXP list, const char *name);
/* A matrix of doubles as a view of R's own memory; a vector without dimensions is one column; NULL is absent. */
rct_matrix shim_matrix(SEXP x, const char *name);
/* A vector of doubles as a view; NULL is absent. */
rct_vector shim_vector(SEXP x, const char *name);
/* Whole numbers, each less `base` (1 turns R's numbering into the library's), in memory that R frees when .Call
 * returns; NULL is absent. */
rct_index_vector shim_indices(SEXP x, const char *name, int64_t base);
/* One whole number from 0 to `max` (at most 2^53). */
uint64_t shim_count(SEXP x, const char *name, double max);
/* One double. */
double shim_double(SEXP x, const char *name);
/* TRUE or FALSE. */
int shim_flag(SEXP x, const char *name);
/* The doubles of an R vector to write into, somewhere valid where it has none. */
double *shim_doubles(SEXP x);
/* An integer or double matrix; R's limit on rows and columns holds, but not one on their product. */
SEXP shim_new_matrix(SEXPTYPE type, double rows, double cols);

/* control.c */

/* What a running call listens to: R's interrupts, and `tick`, NULL or an R function of the fraction done that says
 * whether to go on. Neither can jump out of the library: a jump ends at a boundary of ours and stops the call. */
typedef struct {
  rct_control control;
  SEXP tick;
  double reported;
  int stopped;
} shim_listener;

void shim_listen(shim_listener *listener, SEXP tick);
/* The result of a failed call: list(status, message) of class "rct_failure". */
SEXP shim_failure(rct_status status);

/* covariance.c: `user` is an R function of a point and a matrix of points, one a row. */
int32_t shim_covariance(void *user, const double *x, const double *others, size_t count, size_t dim, double *out);

/* search.c: a query as R gives it, a list, whose names are those of R's arguments; returns the number of its points. */
size_t shim_query(rct_query *query, SEXP list);

/* tree.c */

/* As rct_stats(), of this header's size. */
rct_status shim_stats(const rct_tree *tree, rct_tree_stats *stats);
/* The tree of an external pointer, or an R error where it is none or was restored from a file. */
rct_tree *shim_tree(SEXP pointer);
/* A pointer to no tree yet, to be protected, that keeps `covariance`; and what becomes of it: a tree, or nothing where
 * a call failed. R counts the bytes of trees. */
SEXP shim_new_pointer(SEXP covariance);
SEXP shim_made(SEXP pointer, rct_tree *tree, rct_status status);
/* A call that changes a tree stands between these two; the second gives its result, NULL or a failure. */
void shim_change(const rct_tree *tree);
SEXP shim_changed(const rct_tree *tree, rct_status status);
void shim_options(rct_options *options, SEXP list, SEXP covariance);
void shim_data(rct_data *data, SEXP list);

/* What .Call reaches; the R functions of these names say what the arguments are. */
SEXP r_tree_new(SEXP options, SEXP covariance, SEXP data, SEXP tick);
SEXP r_insert(SEXP pointer, SEXP data, SEXP tick);
SEXP r_remove(SEXP pointer, SEXP ids, SEXP tick);
SEXP r_refit(SEXP pointer, SEXP options, SEXP covariance, SEXP data, SEXP tick);
SEXP r_save(SEXP pointer, SEXP path, SEXP tick);
SEXP r_load(SEXP path, SEXP threads, SEXP memory_map, SEXP tick);
SEXP r_ids(SEXP pointer);
SEXP r_options(SEXP pointer);
SEXP r_stats(SEXP pointer);
SEXP r_validate(SEXP pointer, SEXP tick);
SEXP r_version(void);
SEXP r_nearest(SEXP pointer, SEXP query, SEXP k, SEXP tick);
SEXP r_within_radius(SEXP pointer, SEXP query, SEXP radius, SEXP tick);
SEXP r_vecchia_neighbors(SEXP pointer, SEXP k, SEXP order, SEXP positions, SEXP with_distances, SEXP tick);
SEXP r_distances(SEXP pointer, SEXP i, SEXP j);
SEXP r_correlations(SEXP pointer, SEXP i, SEXP j);
SEXP r_residual_covariances(SEXP pointer, SEXP i, SEXP j);
SEXP r_factor(SEXP pointer, SEXP query, SEXP tick);
SEXP r_inducing(SEXP pointer);
SEXP r_order(SEXP coords, SEXP method, SEXP seed, SEXP tick);
SEXP r_select_inducing(SEXP coords, SEXP m, SEXP method, SEXP seed, SEXP tick);

#endif
