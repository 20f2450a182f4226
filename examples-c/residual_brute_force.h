/* The residual correlation distance from its definition, in plain C: an oracle that shares no code with the library. */
#ifndef RESIDUAL_BRUTE_FORCE_H
#define RESIDUAL_BRUTE_FORCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With k the Matern-3/2 kernel of variance 1, Z the m inducing points and L the Cholesky factor of k(Z,Z) + jitter I:
 *   V_i = L^-1 k(Z, x_i),   p_i = max(1 - V_i.V_i, floor),
 *   rho_ij = (k(x_i, x_j) - V_i.V_j) / sqrt(p_i p_j),   d_ij = sqrt(1 - |rho_ij|).   */
typedef struct residual_model {
  size_t n, m;
  const double *coords;       /* n x 2, row-major; the caller's */
  double lengthscale;
  double *factor;             /* V, n x m, row-major */
  double *residual_variances; /* p, n */
} residual_model;

/* jitter and floor are those of rct_options. False, with a sentence on stderr: no memory, or no Cholesky factor. */
bool residual_model_init(residual_model *model, const double *coords, size_t n, const double *inducing, size_t m,
                         double lengthscale, double jitter, double floor);
void residual_model_free(residual_model *model);

/* |rho_ij| */
double residual_correlation(const residual_model *model, size_t i, size_t j);

/* How far rounding may move |rho_ij| between two right implementations: 1e-9 (1 + k_ij / sqrt(p_i p_j)). */
double residual_correlation_tolerance(const residual_model *model, size_t i, size_t j);

/* The k nearest of the candidates to point i, ascending by (distance, id), padded with -1. False: no memory. */
bool residual_nearest(const residual_model *model, size_t i, const int64_t *candidates, size_t count, size_t k,
                      int64_t *nearest);

#endif
