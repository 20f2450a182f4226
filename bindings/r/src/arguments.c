/* R objects as arguments of the library, after every check that R's side can make. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include <R_ext/Memory.h>

#include "shim.h"

/* 2^53: beyond it doubles are no longer consecutive whole numbers. */
static const double LARGEST_WHOLE = 9007199254740992.0;

static void refuse(const char *name, const char *wanted) {
  Rf_errorcall(R_NilValue, "%s must be %s", name, wanted);
}

SEXP shim_element(SEXP list, const char *name) {
  SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  if (TYPEOF(list) != VECSXP || TYPEOF(names) != STRSXP) return R_NilValue;
  for (R_xlen_t i = 0; i < XLENGTH(names); i++)
    if (strcmp(CHAR(STRING_ELT(names, i)), name) == 0) return VECTOR_ELT(list, i);
  return R_NilValue;
}

/* R gives no usable address for an array of no elements; the library takes any that a double may have. */
static const double *doubles(SEXP x) {
  static const double none = 0;
  return XLENGTH(x) > 0 ? REAL_RO(x) : &none;
}

double *shim_doubles(SEXP x) {
  static double none = 0;
  return XLENGTH(x) > 0 ? REAL(x) : &none;
}

rct_matrix shim_matrix(SEXP x, const char *name) {
  const rct_matrix absent = {NULL, 0, 0, 1, 1};
  if (x == R_NilValue) return absent;
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  if (TYPEOF(x) != REALSXP || (dim != R_NilValue && Rf_length(dim) != 2)) refuse(name, "a matrix of doubles");
  if (dim == R_NilValue) return rct_col_major(doubles(x), (size_t)XLENGTH(x), 1);
  return rct_col_major(doubles(x), (size_t)INTEGER_RO(dim)[0], (size_t)INTEGER_RO(dim)[1]);
}

rct_vector shim_vector(SEXP x, const char *name) {
  const rct_vector absent = {NULL, 0, 1};
  if (x == R_NilValue) return absent;
  if (TYPEOF(x) != REALSXP) refuse(name, "a vector of doubles");
  return rct_vector_of(doubles(x), (size_t)XLENGTH(x));
}

/* `value` as a whole number; `at` is its place in `name`, from 1, or 0 where it stands alone. */
static int64_t whole(double value, const char *name, R_xlen_t at) {
  if (fabs(value) <= LARGEST_WHOLE && value == trunc(value)) return (int64_t)value;
  if (at == 0) Rf_errorcall(R_NilValue, "%s is %.15g; it must be a whole number of at most 2^53", name, value);
  Rf_errorcall(R_NilValue, "%s[%.0f] is %.15g; it must be a whole number of at most 2^53", name, (double)at, value);
}

/* Element i of whole numbers that R keeps as integers or doubles; NA as NaN. */
static double number(SEXP x, R_xlen_t i) {
  if (TYPEOF(x) == REALSXP) return REAL_ELT(x, i);
  const int value = INTEGER_ELT(x, i);
  return value == NA_INTEGER ? R_NaN : value;
}

rct_index_vector shim_indices(SEXP x, const char *name, int64_t base) {
  static const int64_t none = 0;
  rct_index_vector view = {NULL, 0, 1};
  if (x == R_NilValue) return view;
  if (TYPEOF(x) != INTSXP && TYPEOF(x) != REALSXP) refuse(name, "a vector of whole numbers");
  const R_xlen_t len = XLENGTH(x);
  int64_t *copy = (int64_t *)R_alloc((size_t)len, sizeof(int64_t));
  for (R_xlen_t i = 0; i < len; i++) copy[i] = whole(number(x, i), name, i + 1) - base;
  return rct_index_vector_of(len > 0 ? copy : &none, (size_t)len);
}

uint64_t shim_count(SEXP x, const char *name, double max) {
  if ((TYPEOF(x) != INTSXP && TYPEOF(x) != REALSXP) || XLENGTH(x) != 1) refuse(name, "one whole number");
  const int64_t value = whole(number(x, 0), name, 0);
  if (value < 0) Rf_errorcall(R_NilValue, "%s is %.0f; it must not be negative", name, (double)value);
  if ((double)value > max) Rf_errorcall(R_NilValue, "%s is %.0f; it must be at most %.0f", name, (double)value, max);
  return (uint64_t)value;
}

double shim_double(SEXP x, const char *name) {
  if ((TYPEOF(x) != INTSXP && TYPEOF(x) != REALSXP) || XLENGTH(x) != 1) refuse(name, "one number");
  return number(x, 0);
}

int shim_flag(SEXP x, const char *name) {
  if (TYPEOF(x) != LGLSXP || XLENGTH(x) != 1 || LOGICAL_ELT(x, 0) == NA_LOGICAL) refuse(name, "TRUE or FALSE");
  return LOGICAL_ELT(x, 0);
}

SEXP shim_new_matrix(SEXPTYPE type, double rows, double cols) {
  if (rows > INT_MAX || cols > INT_MAX || rows * cols > (double)R_XLEN_T_MAX)
    Rf_errorcall(R_NilValue, "a result of %.0f x %.0f is more than a matrix in R can hold", rows, cols);
  SEXP matrix = PROTECT(Rf_allocVector(type, (R_xlen_t)(rows * cols)));
  SEXP dim = PROTECT(Rf_allocVector(INTSXP, 2));
  INTEGER(dim)[0] = (int)rows;
  INTEGER(dim)[1] = (int)cols;
  Rf_setAttrib(matrix, R_DimSymbol, dim);
  UNPROTECT(2);
  return matrix;
}
