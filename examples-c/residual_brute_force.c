#include "residual_brute_force.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double dot(const double *a, const double *b, size_t len) {
  double sum = 0.0;
  for (size_t i = 0; i < len; i++) sum += a[i] * b[i];
  return sum;
}

static double covariance(const double *x, const double *y, double lengthscale) {
  const double r = sqrt(3.0) * hypot(x[0] - y[0], x[1] - y[1]) / lengthscale;
  return (1.0 + r) * exp(-r);
}

/* Lower Cholesky factor of k(Z,Z) + jitter I, row-major m x m; false where a pivot is not positive. */
static bool cholesky(double *l, const double *inducing, size_t m, double lengthscale, double jitter) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j <= i; j++) {
      const double k = covariance(&inducing[2 * i], &inducing[2 * j], lengthscale) + (i == j ? jitter : 0.0);
      const double rest = k - dot(&l[i * m], &l[j * m], j);
      if (i == j && !(rest > 0.0)) return false;
      l[i * m + j] = i == j ? sqrt(rest) : rest / l[j * m + j];
    }
  return true;
}

bool residual_model_init(residual_model *model, const double *coords, size_t n, const double *inducing, size_t m,
                         double lengthscale, double jitter, double floor) {
  double *l = malloc((m * m + 1) * sizeof *l);
  double *factor = malloc((n * m + 1) * sizeof *factor);
  double *variances = malloc(n * sizeof *variances);
  *model = (residual_model){n, m, coords, lengthscale, factor, variances};
  const bool memory = l != NULL && factor != NULL && variances != NULL;
  const bool ok = memory && cholesky(l, inducing, m, lengthscale, jitter);
  if (!memory) fprintf(stderr, "no memory for a brute force over %zu points and %zu inducing points\n", n, m);
  if (memory && !ok) fprintf(stderr, "the covariance of the inducing points has no Cholesky factor\n");
  for (size_t i = 0; ok && i < n; i++) {
    double *v = &factor[i * m];
    for (size_t j = 0; j < m; j++) /* forward substitution */
      v[j] = (covariance(&inducing[2 * j], &coords[2 * i], lengthscale) - dot(&l[j * m], v, j)) / l[j * m + j];
    variances[i] = fmax(1.0 - dot(v, v, m), floor);
  }
  free(l);
  if (!ok) residual_model_free(model);
  return ok;
}

void residual_model_free(residual_model *model) {
  free(model->factor);
  free(model->residual_variances);
  model->factor = NULL;
  model->residual_variances = NULL;
}

static double scale(const residual_model *model, size_t i, size_t j) {
  return sqrt(model->residual_variances[i] * model->residual_variances[j]);
}

double residual_correlation(const residual_model *model, size_t i, size_t j) {
  const size_t m = model->m;
  const double k = covariance(&model->coords[2 * i], &model->coords[2 * j], model->lengthscale);
  const double explained = dot(&model->factor[i * m], &model->factor[j * m], m);
  return fmin(fabs((k - explained) / scale(model, i, j)), 1.0);
}

double residual_correlation_tolerance(const residual_model *model, size_t i, size_t j) {
  const double k = covariance(&model->coords[2 * i], &model->coords[2 * j], model->lengthscale);
  return 1e-9 * (1.0 + k / scale(model, i, j));
}

typedef struct neighbor {
  double distance;
  int64_t id;
} neighbor;

static int by_distance_then_id(const void *a, const void *b) {
  const neighbor *x = a, *y = b;
  if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

bool residual_nearest(const residual_model *model, size_t i, const int64_t *candidates, size_t count, size_t k,
                      int64_t *nearest) {
  neighbor *all = malloc((count + 1) * sizeof *all);
  if (all == NULL) return false;
  for (size_t c = 0; c < count; c++) {
    const double rho = residual_correlation(model, i, (size_t)candidates[c]);
    all[c] = (neighbor){sqrt(1.0 - rho), candidates[c]};
  }
  qsort(all, count, sizeof *all, by_distance_then_id);
  for (size_t j = 0; j < k; j++) nearest[j] = j < count ? all[j].id : -1;
  free(all);
  return true;
}
