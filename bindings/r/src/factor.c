/* What a host goes on with: V and p of points, the inducing points and their Cholesky factor. */
#include "shim.h"

static SEXP pair_of(const char *first, SEXP a, const char *second, SEXP b) {
  const char *names[] = {first, second, ""};
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(result, 0, a);
  SET_VECTOR_ELT(result, 1, b);
  UNPROTECT(1);
  return result;
}

/* A double matrix of R's to write into. */
static rct_matrix_out output(SEXP matrix, size_t rows, size_t cols) {
  const rct_matrix_out out = {shim_doubles(matrix), rows, cols, 1, (ptrdiff_t)rows};
  return out;
}

SEXP r_factor(SEXP pointer, SEXP query_list, SEXP tick) {
  const rct_tree *tree = shim_tree(pointer);
  rct_tree_stats stats;
  rct_status status = shim_stats(tree, &stats);
  if (status != RCT_OK) return shim_failure(status);
  rct_query query;
  const size_t count = shim_query(&query, query_list), m = stats.m;
  shim_listener listener;
  shim_listen(&listener, tick);
  SEXP v = PROTECT(shim_new_matrix(REALSXP, (double)count, (double)m));
  SEXP p = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)count));
  const rct_factor_out out = {output(v, count, m), rct_vector_out_of(shim_doubles(p), count)};
  status = rct_factor(tree, &query, &out, &listener.control);
  SEXP result = status == RCT_OK ? pair_of("V", v, "p", p) : shim_failure(status);
  UNPROTECT(2);
  return result;
}

SEXP r_inducing(SEXP pointer) {
  const rct_tree *tree = shim_tree(pointer);
  rct_tree_stats stats;
  rct_status status = shim_stats(tree, &stats);
  if (status != RCT_OK) return shim_failure(status);
  const size_t m = stats.m, d = stats.d;
  SEXP z = PROTECT(shim_new_matrix(REALSXP, (double)m, (double)d));
  SEXP l = PROTECT(shim_new_matrix(REALSXP, (double)m, (double)m));
  status = rct_inducing_points(tree, output(z, m, d), output(l, m, m));
  SEXP result = status == RCT_OK ? pair_of("Z", z, "L", l) : shim_failure(status);
  UNPROTECT(2);
  return result;
}
