/* Pairs of stored points; orders of points, choice of inducing points. */
#include <limits.h>

#include <R_ext/Memory.h>

#include "shim.h"

typedef rct_status (*pair_function)(const rct_tree *, rct_index_vector, rct_index_vector, rct_vector_out);

static SEXP pairs(SEXP pointer, SEXP i, SEXP j, pair_function evaluate) {
  const rct_tree *tree = shim_tree(pointer);
  const rct_index_vector from = shim_indices(i, "i", 1), to = shim_indices(j, "j", 1);
  SEXP values = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)from.len));
  const rct_status status = evaluate(tree, from, to, rct_vector_out_of(shim_doubles(values), from.len));
  SEXP result = status == RCT_OK ? values : shim_failure(status);
  UNPROTECT(1);
  return result;
}

SEXP r_distances(SEXP pointer, SEXP i, SEXP j) { return pairs(pointer, i, j, rct_distances); }

SEXP r_correlations(SEXP pointer, SEXP i, SEXP j) { return pairs(pointer, i, j, rct_correlations); }

SEXP r_residual_covariances(SEXP pointer, SEXP i, SEXP j) { return pairs(pointer, i, j, rct_residual_covariances); }

SEXP r_order(SEXP coords, SEXP method, SEXP seed, SEXP tick) {
  const rct_matrix points = shim_matrix(coords, "coords");
  const int32_t ordering = (int32_t)shim_count(method, "method", INT_MAX);
  const uint64_t start = shim_count(seed, "seed", 9007199254740992.0);
  if (points.rows > INT_MAX)
    Rf_errorcall(R_NilValue, "coords has %.0f points; at most %d are supported", (double)points.rows, INT_MAX);
  shim_listener listener;
  shim_listen(&listener, tick);
  SEXP order = PROTECT(Rf_allocVector(INTSXP, (R_xlen_t)points.rows));
  int64_t *ids = (int64_t *)R_alloc(points.rows + 1, sizeof(int64_t));
  const rct_status status =
      rct_order(points, ordering, start, rct_index_vector_out_of(ids, points.rows), &listener.control);
  if (status == RCT_OK)
    for (size_t t = 0; t < points.rows; t++) INTEGER(order)[t] = (int)(ids[t] + 1);
  SEXP result = status == RCT_OK ? order : shim_failure(status);
  UNPROTECT(1);
  return result;
}

SEXP r_select_inducing(SEXP coords, SEXP m, SEXP method, SEXP seed, SEXP tick) {
  const rct_matrix points = shim_matrix(coords, "coords");
  const size_t rows = (size_t)shim_count(m, "m", INT_MAX);
  const int32_t way = (int32_t)shim_count(method, "method", INT_MAX);
  const uint64_t start = shim_count(seed, "seed", 9007199254740992.0);
  shim_listener listener;
  shim_listen(&listener, tick);
  SEXP inducing = PROTECT(shim_new_matrix(REALSXP, (double)rows, (double)points.cols));
  const rct_matrix_out out = {REAL(inducing), rows, points.cols, 1, (ptrdiff_t)rows};
  const rct_status status = rct_select_inducing(points, rows, way, start, out, &listener.control);
  SEXP result = status == RCT_OK ? inducing : shim_failure(status);
  UNPROTECT(1);
  return result;
}
