#include "oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double *new_array(size_t count) { return (double *)calloc(count + 1, sizeof(double)); }

static double lengthscale(const rct_options *options, size_t j) {
  const rct_vector all = options->lengthscales;
  return all.data == NULL ? options->lengthscale : all.data[(ptrdiff_t)j * all.stride];
}

/* `rows` x d coordinates divided by their lengthscales. */
static double *scale(const rct_options *options, const double *coords, size_t rows, size_t d) {
  double *scaled = new_array(rows * d);
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < d; j++) scaled[i * d + j] = coords[i * d + j] / lengthscale(options, j);
  return scaled;
}

/* Of differences as shares of the largest one, whose squares neither overflow nor underflow where that matters. */
static double euclidean(const double *a, const double *b, size_t d) {
  double largest = 0.0, sum = 0.0;
  for (size_t j = 0; j < d; j++) largest = fmax(largest, fabs(a[j] - b[j]));
  if (largest == 0.0) return 0.0;
  for (size_t j = 0; j < d; j++) sum += (a[j] - b[j]) / largest * ((a[j] - b[j]) / largest);
  return largest * sqrt(sum);
}

double oracle_kernel(const oracle *truth, double r) {
  /* The limit of the others, where the formula is infinity times zero. */
  if (r > 1e100 && truth->kernel != RCT_KERNEL_RATIONAL_QUADRATIC) return 0.0;
  const double r3 = sqrt(3.0) * r, r5 = sqrt(5.0) * r;
  switch (truth->kernel) {
    case RCT_KERNEL_RBF: return truth->variance * exp(-0.5 * r * r);
    case RCT_KERNEL_MATERN12: return truth->variance * exp(-r);
    case RCT_KERNEL_MATERN52: return truth->variance * (1.0 + r5 + r5 * r5 / 3.0) * exp(-r5);
    case RCT_KERNEL_RATIONAL_QUADRATIC:
      if (isinf(r * r)) return truth->variance * exp(truth->alpha * (log(2.0 * truth->alpha) - 2.0 * log(r)));
      return truth->variance * pow(1.0 + r * r / (2.0 * truth->alpha), -truth->alpha);
    default: return truth->variance * (1.0 + r3) * exp(-r3);
  }
}

static oracle without_factor(const rct_options *options, const double *coords, size_t n, size_t d, size_t m) {
  oracle truth;
  truth.metric = options->metric;
  truth.kernel = options->kernel;
  truth.variance = options->variance;
  truth.alpha = options->alpha;
  truth.n = n;
  truth.d = d;
  truth.m = m;
  truth.scaled = scale(options, coords, n, d);
  truth.factor = new_array(n * m);
  truth.residuals = new_array(n);
  truth.largest = 0.0;
  for (size_t i = 0; i < n * d; i++) truth.largest = fmax(truth.largest, fabs(truth.scaled[i]));
  return truth;
}

/* p from V. */
static void subtract_explained(oracle *truth, const rct_options *options) {
  for (size_t i = 0; i < truth->n; i++) {
    const double *v = truth->factor + i * truth->m;
    double left = truth->variance;
    for (size_t a = 0; a < truth->m; a++) left -= v[a] * v[a];
    truth->residuals[i] = fmax(left, options->residual_floor * truth->variance);
  }
}

/* Solves L v = b in place, L lower triangular. */
static void forward_substitution(const double *lower, size_t m, double *b) {
  for (size_t a = 0; a < m; a++) {
    for (size_t c = 0; c < a; c++) b[a] -= lower[a * m + c] * b[c];
    b[a] /= lower[a * m + a];
  }
}

oracle oracle_new(const rct_options *options, const double *coords, size_t n, size_t d, const double *inducing,
                  size_t m) {
  oracle truth = without_factor(options, coords, n, d, m);
  double *z = scale(options, inducing, m, d);
  double *lower = new_array(m * m);
  for (size_t a = 0; a < m; a++) {
    /* Row a of the Cholesky factor is the solution of L l = k(Z, z_a), up to its diagonal. */
    for (size_t c = 0; c <= a; c++) lower[a * m + c] = oracle_kernel(&truth, euclidean(z + a * d, z + c * d, d));
    double pivot = lower[a * m + a] + options->jitter * truth.variance;
    for (size_t c = 0; c < a; c++) {
      for (size_t e = 0; e < c; e++) lower[a * m + c] -= lower[a * m + e] * lower[c * m + e];
      lower[a * m + c] /= lower[c * m + c];
      pivot -= lower[a * m + c] * lower[a * m + c];
    }
    lower[a * m + a] = sqrt(pivot);
  }
  for (size_t i = 0; i < n; i++) {
    double *v = truth.factor + i * m;
    for (size_t a = 0; a < m; a++) v[a] = oracle_kernel(&truth, euclidean(z + a * d, truth.scaled + i * d, d));
    forward_substitution(lower, m, v);
  }
  subtract_explained(&truth, options);
  free(lower);
  free(z);
  return truth;
}

oracle oracle_from_factor(const rct_options *options, const double *coords, size_t n, size_t d, const double *factor,
                          size_t m, const double *residual_variances) {
  oracle truth = without_factor(options, coords, n, d, m);
  for (size_t i = 0; i < n * m; i++) truth.factor[i] = factor[i];
  subtract_explained(&truth, options);
  if (residual_variances != NULL)
    for (size_t i = 0; i < n; i++) truth.residuals[i] = residual_variances[i];
  return truth;
}

void oracle_free(oracle *truth) {
  free(truth->scaled);
  free(truth->factor);
  free(truth->residuals);
}

static double covariance(const oracle *truth, size_t i, size_t j) {
  return oracle_kernel(truth, euclidean(truth->scaled + i * truth->d, truth->scaled + j * truth->d, truth->d));
}

double oracle_correlation(const oracle *truth, size_t i, size_t j) {
  if (i == j) return 1.0;
  double residual = covariance(truth, i, j);
  for (size_t a = 0; a < truth->m; a++) residual -= truth->factor[i * truth->m + a] * truth->factor[j * truth->m + a];
  const double rho = residual / sqrt(truth->residuals[i] * truth->residuals[j]);
  return fmax(-1.0, fmin(1.0, rho));
}

double oracle_distance(const oracle *truth, size_t i, size_t j) {
  if (truth->metric == RCT_METRIC_EUCLIDEAN)
    return euclidean(truth->scaled + i * truth->d, truth->scaled + j * truth->d, truth->d);
  return sqrt(1.0 - fabs(oracle_correlation(truth, i, j)));
}

double oracle_rounding(const oracle *truth, size_t i, size_t j) {
  if (truth->metric == RCT_METRIC_EUCLIDEAN) return 1e-12 * oracle_distance(truth, i, j) + 1e-14 * truth->largest;
  return 1e-9 * (1.0 + covariance(truth, i, j) / sqrt(truth->residuals[i] * truth->residuals[j]));
}

/* Larger is nearer, and off by no more than oracle_rounding: |rho|, or the negative Euclidean distance. */
static double nearness(const oracle *truth, double distance) {
  return truth->metric == RCT_METRIC_EUCLIDEAN ? -distance : 1.0 - distance * distance;
}

int oracle_is_distance(const oracle *truth, size_t i, size_t j, double distance) {
  const double off = nearness(truth, distance) - nearness(truth, oracle_distance(truth, i, j));
  return fabs(off) <= oracle_rounding(truth, i, j);
}

typedef struct candidate {
  double distance;
  int64_t id;
} candidate;

static int by_distance_and_id(const void *a, const void *b) {
  const candidate *x = (const candidate *)a, *y = (const candidate *)b;
  if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

static int is_among(const int64_t *ids, size_t count, size_t id) {
  for (size_t t = 0; t < count; t++)
    if (ids[t] == (int64_t)id) return 1;
  return 0;
}

/* The neighbours that a row should have, nearest first, in `found`; how many. */
static size_t neighbors(const oracle *truth, size_t point, const unsigned char *allowed, double max_distance, size_t k,
                        const int64_t *answer, candidate *found) {
  size_t count = 0;
  for (size_t j = 0; j < truth->n; j++) {
    if (!allowed[j]) continue;
    const double distance = oracle_distance(truth, point, j);
    const double inside = isinf(max_distance) ? 1.0 : nearness(truth, distance) - nearness(truth, max_distance);
    /* At the bound itself rounding may decide either way: follow the answer. */
    const int undecided = fabs(inside) <= oracle_rounding(truth, point, j);
    if (undecided ? is_among(answer, k, j) : inside > 0.0) {
      found[count].distance = distance;
      found[count].id = (int64_t)j;
      count++;
    }
  }
  qsort(found, count, sizeof *found, by_distance_and_id);
  return count < k ? count : k;
}

int oracle_agrees(const oracle *truth, size_t point, const unsigned char *allowed, double max_distance, size_t k,
                  const int64_t *ids, const double *distances, int64_t count) {
  candidate *expected = (candidate *)malloc((truth->n + 1) * sizeof *expected);
  const size_t found = neighbors(truth, point, allowed, max_distance, k, ids, expected);
  const char *wrong = count == (int64_t)found ? NULL : "the count";
  size_t t = 0;
  for (; wrong == NULL && t < k; t++) {
    if (t >= found) {
      if (ids[t] != -1 || !isinf(distances[t]) || distances[t] < 0.0) wrong = "the padding";
    } else if (ids[t] < 0 || ids[t] >= (int64_t)truth->n || !allowed[ids[t]]) {
      wrong = "an id that is not allowed";
    } else if (is_among(ids, t, (size_t)ids[t])) {
      wrong = "an id that came before";
    } else if (t > 0 && (distances[t] < distances[t - 1] || (distances[t] == distances[t - 1] && ids[t] < ids[t - 1]))) {
      wrong = "the order";
    } else if (distances[t] >= max_distance) {
      wrong = "a distance beyond the bound";
    } else if (!oracle_is_distance(truth, point, (size_t)ids[t], distances[t])) {
      wrong = "the distance";
    } else if (ids[t] != expected[t].id) {
      const size_t id = (size_t)ids[t], other = (size_t)expected[t].id;
      const double own = nearness(truth, oracle_distance(truth, point, id));
      const double off = own - nearness(truth, oracle_distance(truth, point, other));
      if (fabs(off) > oracle_rounding(truth, point, id) + oracle_rounding(truth, point, other)) wrong = "the id";
    }
    if (wrong != NULL) break;
  }
  if (wrong != NULL && t < k) {
    printf("point %d, place %d: %s is wrong: id %d at distance %.17g", (int)point, (int)t, wrong, (int)ids[t],
           distances[t]);
    if (t < found) printf(", expected %d at %.17g", (int)expected[t].id, expected[t].distance);
    printf("; count %d, expected %d\n", (int)count, (int)found);
  } else if (wrong != NULL) {
    printf("point %d: %s is wrong: %d, expected %d\n", (int)point, wrong, (int)count, (int)found);
  }
  free(expected);
  return wrong == NULL;
}
