/* A covariance function written in R. */
#include <string.h>

#include "shim.h"

typedef struct {
  SEXP function;
  const double *x, *others;
  size_t count, dim;
  double *out;
  int done;
} covariance_call;

/* function(x, others) gives a vector of doubles; the R function that is passed here has checked type and length. */
static void evaluate(void *data) {
  covariance_call *call = data;
  const size_t count = call->count, dim = call->dim;
  SEXP x = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)dim));
  memcpy(REAL(x), call->x, dim * sizeof(double));
  SEXP others = PROTECT(shim_new_matrix(REALSXP, (double)count, (double)dim));
  double *values = REAL(others);
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < dim; j++) values[i + j * count] = call->others[i * dim + j];
  SEXP expression = PROTECT(Rf_lang3(call->function, x, others));
  SEXP result = PROTECT(Rf_eval(expression, R_BaseEnv));
  if (TYPEOF(result) == REALSXP && (size_t)XLENGTH(result) == count) {
    memcpy(call->out, REAL_RO(result), count * sizeof(double));
    call->done = 1;
  }
  UNPROTECT(4);
}

int32_t shim_covariance(void *user, const double *x, const double *others, size_t count, size_t dim, double *out) {
  covariance_call call = {(SEXP)user, x, others, count, dim, out, 0};
  return R_ToplevelExec(evaluate, &call) && call.done ? 0 : 1;
}
