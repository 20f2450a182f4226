/* The definition of the distance in plain C: one pair at a time, in double, by nothing but the formulas. */
#ifndef RCT_TESTS_ORACLE_H
#define RCT_TESTS_ORACLE_H

#include "rct.h"

/* Some points under one metric. */
typedef struct oracle {
  int32_t metric;
  int32_t kernel;
  double variance;
  double alpha;
  size_t n, d, m;
  double *scaled;    /* n x d: coordinates divided by their lengthscales */
  double *factor;    /* n x m: V */
  double *residuals; /* n: p */
  double largest;    /* of the absolute values in `scaled` */
} oracle;

/* From row-major coordinates (n x d) and inducing points (m x d; NULL with m = 0). RCT_KERNEL_CUSTOM stands for the
 * default kernel with the options' variance and lengthscale. Freed with oracle_free. */
oracle oracle_new(const rct_options *options, const double *coords, size_t n, size_t d, const double *inducing,
                  size_t m);

/* From row-major coordinates and a factor V (n x m); residual variances p may be NULL. */
oracle oracle_from_factor(const rct_options *options, const double *coords, size_t n, size_t d, const double *factor,
                          size_t m, const double *residual_variances);

void oracle_free(oracle *truth);

/* The kernel at scaled distance r. */
double oracle_kernel(const oracle *truth, double r);

/* Signed residual correlation; 1 for a point with itself. */
double oracle_correlation(const oracle *truth, size_t i, size_t j);

/* Distance under the metric. */
double oracle_distance(const oracle *truth, size_t i, size_t j);

/* What rounding may do to |rho|, or to a Euclidean distance, whose coordinates are rounded, too: an answer may swap points
 * that are closer than that. */
double oracle_rounding(const oracle *truth, size_t i, size_t j);

/* Whether `distance` is that of i and j, up to rounding. */
int oracle_is_distance(const oracle *truth, size_t i, size_t j, double distance);

/* Whether a row of an answer is right: the k nearest to `point` among the points j with allowed[j] != 0 that are
 * nearer than `max_distance`, ascending by (distance, id), then padding. Prints what is wrong. */
int oracle_agrees(const oracle *truth, size_t point, const unsigned char *allowed, double max_distance, size_t k,
                  const int64_t *ids, const double *distances, int64_t count);

#endif
