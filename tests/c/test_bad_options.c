/* Options that no tree can have: rct_create, and rct_build where it takes the data to tell. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "witness.h"

static witness seen;

/* rct_create refuses `options`, and sets no tree. */
static void check_refused(const rct_options *options, rct_status status, const char *words) {
  rct_tree *tree = seen.unbuilt;
  CHECK_REFUSED(&seen, rct_create(options, &tree), status, words);
  CHECK(tree == seen.unbuilt);
}

/* The numbers that `*field` of `options` must not be; `name` is its name. */
static void check_positive_number(rct_options *options, double *field, const char *name) {
  const double right = *field;
  const double invalid[3] = {0.0, -0.0, -1.5};
  const double not_finite[3] = {NAN, INFINITY, -INFINITY};
  const char *printed_invalid[3] = {"0", "0", "-1.5"}, *printed_not_finite[3] = {"NaN", "inf", "-inf"};
  char words[128];
  for (int t = 0; t < 3; t++) {
    check_context("%s = %g", name, invalid[t]);
    *field = invalid[t];
    /* The one that has no default is not given where it is 0. */
    const char *printed = strcmp(name, "lengthscale") == 0 && t < 2 ? "not given" : printed_invalid[t];
    snprintf(words, sizeof words, "%s|%s|positive", name, printed);
    check_refused(options, RCT_ERROR_INVALID_ARGUMENT, words);
    check_context("%s = %g", name, not_finite[t]);
    *field = not_finite[t];
    snprintf(words, sizeof words, "%s|%s", name, printed_not_finite[t]);
    check_refused(options, RCT_ERROR_NOT_FINITE, words);
  }
  *field = right;
}

/* As check_positive_number, for an enum: from 0 to `largest`. */
static void check_enum(rct_options *options, int32_t *field, int32_t largest, const char *name) {
  const int32_t right = *field;
  const int32_t unknown[4] = {-1, largest + 1, INT32_MAX, INT32_MIN};
  char words[128];
  for (int t = 0; t < 4; t++) {
    check_context("%s = %d", name, (int)unknown[t]);
    *field = unknown[t];
    snprintf(words, sizeof words, "%s|%d", name, (int)unknown[t]);
    check_refused(options, RCT_ERROR_INVALID_ARGUMENT, words);
  }
  *field = right;
}

static void unknown_enum_values(void) {
  rct_options options = default_options();
  check_enum(&options, &options.metric, RCT_METRIC_EUCLIDEAN, "metric");
  check_enum(&options, &options.kernel, RCT_KERNEL_CUSTOM, "kernel");
  check_enum(&options, &options.construction, RCT_CONSTRUCTION_HYBRID, "construction");
  check_enum(&options, &options.traversal, RCT_TRAVERSAL_BRUTE_FORCE, "traversal");
  /* A tree takes points in natural order or along the curve; maximin and random are for rct_order. */
  check_enum(&options, &options.ordering, RCT_ORDERING_HILBERT, "ordering");
  options.ordering = RCT_ORDERING_RANDOM;
  check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "ordering|3");
}

static void numbers_that_must_be_positive(void) {
  rct_options options = default_options();
  check_positive_number(&options, &options.variance, "variance");
  check_positive_number(&options, &options.lengthscale, "lengthscale");
  options.kernel = RCT_KERNEL_RATIONAL_QUADRATIC;
  check_positive_number(&options, &options.alpha, "alpha");
}

static void a_lengthscale_has_no_default(void) {
  rct_options options = default_options();
  rct_tree *tree = seen.unbuilt;
  CHECK_REFUSED(&seen, rct_create(NULL, &tree), RCT_ERROR_INVALID_ARGUMENT, "lengthscale is not given");
  options.lengthscale = 0.0;
  for (int32_t metric = RCT_METRIC_RESIDUAL; metric <= RCT_METRIC_CORRELATION; metric++) {
    options.metric = metric;
    check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "lengthscale is not given");
    CHECK_REFUSED(&seen, rct_refit(seen.tree, &options, NULL, NULL), RCT_ERROR_INVALID_ARGUMENT, "lengthscale|given");
  }
  /* The Euclidean metric takes the coordinates as they are. */
  problem given = problem_new(20, 2, 0, 5);
  const rct_query query = query_of_coords(given.coords, 20, 2, 4);
  given.options.metric = RCT_METRIC_EUCLIDEAN;
  given.options.lengthscale = 1.0;
  rct_tree *one = problem_tree(&given);
  given.options.lengthscale = 0.0;
  rct_tree *none = problem_tree(&given);
  answer a = ask(one, &query), b = ask(none, &query);
  CHECK(answers_equal(&a, &b));
  answer_free(&a);
  answer_free(&b);
  rct_free(one);
  rct_free(none);
  problem_free(&given);
}

static void one_lengthscale_among_several(void) {
  double lengthscales[3] = {0.5, 1.0, 2.0};
  rct_options options = default_options();
  options.lengthscales = rct_vector_of(lengthscales, 3);
  check_positive_number(&options, &lengthscales[0], "lengthscales[0]");
  check_positive_number(&options, &lengthscales[2], "lengthscales[2]");
  /* Backwards, the last in memory is the first. */
  options.lengthscales.data = lengthscales + 2;
  options.lengthscales.stride = -1;
  check_positive_number(&options, &lengthscales[2], "lengthscales[0]");
}

static void lengthscales_that_are_no_array(void) {
  const double lengthscales[3] = {0.5, 1.0, 2.0};
  rct_options options = default_options();
  options.lengthscales = rct_vector_of(NULL, 3);
  check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "lengthscales|NULL|3");
  options.lengthscales = rct_vector_of(lengthscales, 0);
  check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "lengthscales");
  options.lengthscales = rct_vector_of(lengthscales, SIZE_MAX / 2);
  check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "lengthscales|memory");
  options.lengthscales.len = 3;
  options.lengthscales.stride = PTRDIFF_MAX;
  check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "lengthscales|memory");
}

static void as_many_lengthscales_as_dimensions(void) {
  const double lengthscales[3] = {0.5, 1.0, 2.0};
  for (size_t given = 1; given <= 3; given += 2) {
    rct_options options = default_options();
    options.lengthscales = rct_vector_of(lengthscales, given);
    rct_tree *tree = NULL;
    rct_tree_stats stats;
    stats.struct_size = sizeof stats;
    if (!CHECK_OK(rct_create(&options, &tree))) continue;
    CHECK_STATUS(rct_build(tree, &seen.given.data, NULL), RCT_ERROR_INVALID_ARGUMENT,
                 given == 1 ? "lengthscales|1|2" : "lengthscales|3|2");
    CHECK_STATUS(rct_stats(tree, &stats), RCT_ERROR_INVALID_STATE, "tree");
    rct_free(tree);
  }
}

static void jitter_may_be_0_but_not_less(void) {
  const double wrong[4] = {-1e-9, NAN, INFINITY, -INFINITY};
  const char *words[4] = {"jitter is -1e-9;", "jitter|NaN", "jitter|inf", "jitter|-inf"};
  rct_options options = default_options();
  for (int t = 0; t < 4; t++) {
    options.jitter = wrong[t];
    check_refused(&options, t == 0 ? RCT_ERROR_INVALID_ARGUMENT : RCT_ERROR_NOT_FINITE, words[t]);
  }
  options.jitter = 0.0;
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&options, &tree));
  rct_free(tree);
}

static void the_residual_floor_is_a_fraction(void) {
  const double wrong[6] = {0.0, -0.5, 1.5, NAN, INFINITY, -INFINITY};
  const char *words[6] = {"residual_floor|0", "residual_floor|-0.5", "residual_floor|1.5",
                          "residual_floor|NaN", "residual_floor|inf", "residual_floor|-inf"};
  rct_options options = default_options();
  for (int t = 0; t < 6; t++) {
    options.residual_floor = wrong[t];
    check_refused(&options, t < 3 ? RCT_ERROR_INVALID_ARGUMENT : RCT_ERROR_NOT_FINITE, words[t]);
  }
  options.residual_floor = 1.0;
  rct_tree *tree = NULL;
  CHECK_OK(rct_create(&options, &tree));
  rct_free(tree);
}

static int32_t constant(void *user, const double *x, const double *others, size_t count, size_t dim, double *out) {
  (void)user, (void)x, (void)others, (void)dim;
  for (size_t i = 0; i < count; i++) out[i] = 1.0;
  return 0;
}

static void a_custom_kernel_and_its_callback_go_together(void) {
  rct_options options = default_options();
  options.kernel = RCT_KERNEL_CUSTOM;
  check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "covariance|NULL|RCT_KERNEL_CUSTOM");
  options.kernel = RCT_KERNEL_RBF;
  options.covariance = constant;
  check_refused(&options, RCT_ERROR_INVALID_ARGUMENT, "covariance|RCT_KERNEL_CUSTOM");
}

static void any_number_of_threads_is_answered(void) {
  /* More threads than a machine has: taken or refused, but not a crash. */
  const uint32_t counts[3] = {17, 100000, UINT32_MAX};
  for (int t = 0; t < 3; t++) {
    rct_options options = default_options();
    options.threads = counts[t];
    rct_tree *tree = NULL;
    const rct_status status = rct_create(&options, &tree);
    CHECK(status == RCT_OK || (status == RCT_ERROR_INVALID_ARGUMENT && tree == NULL));
    rct_free(tree);
  }
}

int main(void) {
  seen = witness_new(WITNESS_INDUCING);
  RUN(unknown_enum_values);
  RUN(numbers_that_must_be_positive);
  RUN(a_lengthscale_has_no_default);
  RUN(one_lengthscale_among_several);
  RUN(lengthscales_that_are_no_array);
  RUN(as_many_lengthscales_as_dimensions);
  RUN(jitter_may_be_0_but_not_less);
  RUN(the_residual_floor_is_a_fraction);
  RUN(a_custom_kernel_and_its_callback_go_together);
  RUN(any_number_of_threads_is_answered);
  witness_free(&seen);
  return check_report();
}
