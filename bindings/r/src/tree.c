/* The tree: made, described, checked and, by R's garbage collector, freed. */
#include <limits.h>

#include "shim.h"

static SEXP tag(void) { return Rf_install("rct_tree"); }

/* Bytes of all trees that are not freed yet, and what was left of them by the last collection below. */
static double held = 0, held_after_collection = 0;

rct_status shim_stats(const rct_tree *tree, rct_tree_stats *stats) {
  stats->struct_size = sizeof *stats;
  return rct_stats(tree, stats);
}

static double bytes_of(const rct_tree *tree) {
  rct_tree_stats stats;
  return shim_stats(tree, &stats) == RCT_OK ? (double)stats.memory_bytes : 0;
}

static void finalize(SEXP pointer) {
  rct_tree *tree = R_ExternalPtrAddr(pointer);
  held -= bytes_of(tree);
  rct_free(tree);
  R_ClearExternalPtr(pointer);
}

/* R sees a tree as a few bytes: without this a loop that builds trees would fill memory before R collects garbage. */
static void collect_if_due(void) {
  if (held <= 2 * held_after_collection + 64e6) return;
  R_gc();
  held_after_collection = held;
}

rct_tree *shim_tree(SEXP pointer) {
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != tag())
    Rf_errorcall(R_NilValue, "tree is not a tree that rct_tree() made");
  rct_tree *tree = R_ExternalPtrAddr(pointer);
  if (tree == NULL)
    Rf_errorcall(R_NilValue,
                 "tree comes from a file or another R process, which keep only its description: "
                 "build it again with rct_tree(), or keep it with rct_save() and rct_load()");
  return tree;
}

static int32_t choice(SEXP list, const char *name) {
  return (int32_t)shim_count(shim_element(list, name), name, INT_MAX);
}

void shim_options(rct_options *options, SEXP list, SEXP covariance) {
  rct_options_init(options);
  options->metric = choice(list, "metric");
  options->kernel = choice(list, "kernel");
  options->construction = choice(list, "construction");
  options->ordering = choice(list, "ordering");
  options->traversal = choice(list, "traversal");
  options->threads = (uint32_t)shim_count(shim_element(list, "threads"), "threads", INT_MAX);
  options->variance = shim_double(shim_element(list, "variance"), "variance");
  options->alpha = shim_double(shim_element(list, "alpha"), "alpha");
  options->jitter = shim_double(shim_element(list, "jitter"), "jitter");
  options->residual_floor = shim_double(shim_element(list, "residual_floor"), "residual_floor");
  const rct_vector lengthscale = shim_vector(shim_element(list, "lengthscale"), "lengthscale");
  /* A single 0 would mean that none is given: among several it is one that is refused. */
  if (lengthscale.len == 1 && lengthscale.data[0] != 0)
    options->lengthscale = lengthscale.data[0];
  else
    options->lengthscales = lengthscale;
  if (covariance != R_NilValue) {
    options->covariance = shim_covariance;
    options->covariance_user = covariance;
  }
}

void shim_data(rct_data *data, SEXP list) {
  rct_data_init(data);
  data->coords = shim_matrix(shim_element(list, "coords"), "coords");
  data->inducing = shim_matrix(shim_element(list, "inducing"), "inducing");
  data->factor = shim_matrix(shim_element(list, "factor"), "factor");
  data->residual_variances = shim_vector(shim_element(list, "residual_variance"), "residual_variance");
}

SEXP shim_new_pointer(SEXP covariance) {
  collect_if_due();
  /* The pointer exists before the tree so that nothing can be lost. */
  SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, tag(), covariance));
  R_RegisterCFinalizerEx(pointer, finalize, TRUE);
  UNPROTECT(1);
  return pointer;
}

SEXP shim_made(SEXP pointer, rct_tree *tree, rct_status status) {
  R_SetExternalPtrAddr(pointer, tree);
  if (status == RCT_OK) {
    held += bytes_of(tree);
    return pointer;
  }
  SEXP failure = PROTECT(shim_failure(status));
  finalize(pointer);
  UNPROTECT(1);
  return failure;
}

void shim_change(const rct_tree *tree) {
  collect_if_due();
  held -= bytes_of(tree);
}

SEXP shim_changed(const rct_tree *tree, rct_status status) {
  SEXP result = status == RCT_OK ? R_NilValue : PROTECT(shim_failure(status));
  held += bytes_of(tree);
  if (status != RCT_OK) UNPROTECT(1);
  return result;
}

SEXP r_tree_new(SEXP option_list, SEXP covariance, SEXP data_list, SEXP tick) {
  rct_options options;
  shim_options(&options, option_list, covariance);
  rct_data data;
  shim_data(&data, data_list);
  shim_listener listener;
  shim_listen(&listener, tick);
  SEXP pointer = PROTECT(shim_new_pointer(covariance));
  rct_tree *tree = NULL;
  rct_status status = rct_create(&options, &tree);
  R_SetExternalPtrAddr(pointer, tree);
  if (status == RCT_OK) status = rct_build(tree, &data, &listener.control);
  SEXP result = shim_made(pointer, tree, status);
  UNPROTECT(1);
  return result;
}

SEXP r_stats(SEXP pointer) {
  rct_tree_stats s;
  const rct_status status = shim_stats(shim_tree(pointer), &s);
  if (status != RCT_OK) return shim_failure(status);
  const char *names[] = {"n", "parts", "removed", "m", "d", "levels", "nodes", "max_fan_out", "depth", "memory_bytes",
                         "build_evaluations", "seconds_factor", "seconds_order", "seconds_tree", "brute_force_only",
                         "last_traversal", "queries", "distance_evaluations", "nodes_visited", "pruned_by_ball",
                         "pruned_by_cell", "pruned_by_id", "seconds_search", "lengthscale_check", "by_boxes", "by_leaves",
                         "by_subspaces", "by_nodes", "by_brute_force", "warning", "plan", "plan_reason", ""};
  const double values[] = {(double)s.n, (double)s.parts, (double)s.removed, (double)s.m, (double)s.d, (double)s.levels, (double)s.nodes,
                           (double)s.max_fan_out, (double)s.depth, (double)s.memory_bytes,
                           (double)s.build_evaluations, s.seconds_factor, s.seconds_order, s.seconds_tree,
                           s.brute_force_only, s.last_traversal, (double)s.queries, (double)s.distance_evaluations,
                           (double)s.nodes_visited, (double)s.pruned_by_ball, (double)s.pruned_by_cell,
                           (double)s.pruned_by_id, s.seconds_search, s.lengthscale_check, (double)s.by_boxes, (double)s.by_leaves,
                           (double)s.by_subspaces, (double)s.by_nodes, (double)s.by_brute_force};
  SEXP stats = PROTECT(Rf_mkNamed(VECSXP, names));
  const R_xlen_t numbers = sizeof values / sizeof *values;
  for (R_xlen_t i = 0; i < numbers; i++) SET_VECTOR_ELT(stats, i, Rf_ScalarReal(values[i]));
  SET_VECTOR_ELT(stats, numbers, s.warning == NULL ? Rf_ScalarString(NA_STRING) : Rf_mkString(s.warning));
  SET_VECTOR_ELT(stats, numbers + 1, Rf_mkString(s.plan));
  SET_VECTOR_ELT(stats, numbers + 2, Rf_mkString(s.plan_reason));
  UNPROTECT(1);
  return stats;
}

/* The parameters as rct_tree() takes them, but for choices, which are the library's numbers; and whether V is the
 * caller's. */
SEXP r_options(SEXP pointer) {
  const rct_tree *tree = shim_tree(pointer);
  rct_options o;
  rct_options_init(&o);
  const rct_status status = rct_get_options(tree, &o);
  if (status != RCT_OK) return shim_failure(status);
  const rct_matrix_out absent = {NULL, 0, 0, 1, 1};
  const int own_factor =
      o.metric == RCT_METRIC_RESIDUAL && rct_inducing_points(tree, absent, absent) == RCT_ERROR_UNSUPPORTED;
  const char *names[] = {"metric", "kernel", "construction", "ordering", "traversal", "threads", "variance",
                         "alpha", "jitter", "residual_floor", "lengthscale", "own_factor", ""};
  const double values[] = {o.metric, o.kernel, o.construction, o.ordering, o.traversal, o.threads, o.variance, o.alpha,
                           o.jitter, o.residual_floor};
  SEXP options = PROTECT(Rf_mkNamed(VECSXP, names));
  const R_xlen_t numbers = sizeof values / sizeof *values;
  for (R_xlen_t i = 0; i < numbers; i++) SET_VECTOR_ELT(options, i, Rf_ScalarReal(values[i]));
  if (o.lengthscales.data != NULL) {
    SEXP lengthscales = Rf_allocVector(REALSXP, (R_xlen_t)o.lengthscales.len);
    SET_VECTOR_ELT(options, numbers, lengthscales);
    for (size_t j = 0; j < o.lengthscales.len; j++)
      REAL(lengthscales)[j] = o.lengthscales.data[(ptrdiff_t)j * o.lengthscales.stride];
  } else if (o.lengthscale != 0) {
    SET_VECTOR_ELT(options, numbers, Rf_ScalarReal(o.lengthscale));
  }
  SET_VECTOR_ELT(options, numbers + 1, Rf_ScalarLogical(own_factor));
  UNPROTECT(1);
  return options;
}

SEXP r_validate(SEXP pointer, SEXP tick) {
  const rct_tree *tree = shim_tree(pointer);
  shim_listener listener;
  shim_listen(&listener, tick);
  const rct_status status = rct_validate(tree, &listener.control);
  return status == RCT_OK ? Rf_ScalarLogical(TRUE) : shim_failure(status);
}

SEXP r_version(void) { return Rf_mkString(rct_version()); }
