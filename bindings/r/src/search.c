/* Searches: nearest neighbours, all within a radius, Vecchia conditioning sets. */
#include <limits.h>

#include <R_ext/Memory.h>

#include "shim.h"

size_t shim_query(rct_query *query, SEXP list) {
  rct_query_init(query);
  query->coords = shim_matrix(shim_element(list, "points"), "points");
  query->ids = shim_indices(shim_element(list, "ids"), "ids", 1);
  query->factor = shim_matrix(shim_element(list, "factor"), "factor");
  query->residual_variances = shim_vector(shim_element(list, "residual_variance"), "residual_variance");
  query->id_limits = shim_indices(shim_element(list, "id_limit"), "id_limit", 1);
  query->max_distances = shim_vector(shim_element(list, "max_distance"), "max_distance");
  query->exclude_self = !shim_flag(shim_element(list, "include_self"), "include_self");
  const size_t count = query->ids.data != NULL ? query->ids.len : query->coords.rows;
  if (count > INT_MAX)
    Rf_errorcall(R_NilValue, "%.0f queries are too many for one call: at most %d", (double)count, INT_MAX);
  return count;
}

/* Column-major views of a result: ids in memory that R frees when .Call returns, distances in R's own matrix. */
static rct_neighbors output(size_t rows, size_t cols, double *distances) {
  const ptrdiff_t stride = (ptrdiff_t)rows;
  /* One more than needed: R gives no usable address for an array of no elements. */
  int64_t *ids = (int64_t *)R_alloc(rows * cols + 1, sizeof(int64_t));
  rct_neighbors out = {{ids, rows, cols, 1, stride}, {distances, rows, cols, 1, stride}, {NULL, 0, 1}};
  if (distances == NULL) out.distances.rows = 0;
  return out;
}

/* R's number of an id of the library; NA where there is none. */
static int one_based(int64_t id) { return id < 0 ? NA_INTEGER : (int)(id + 1); }

static SEXP ids_and_distances(SEXP ids, SEXP distances) {
  const char *names[] = {"ids", "distances", ""};
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(result, 0, ids);
  SET_VECTOR_ELT(result, 1, distances);
  UNPROTECT(1);
  return result;
}

SEXP r_nearest(SEXP pointer, SEXP query_list, SEXP k, SEXP tick) {
  const rct_tree *tree = shim_tree(pointer);
  rct_query query;
  const size_t count = shim_query(&query, query_list);
  query.k = (size_t)shim_count(k, "k", INT_MAX);
  SEXP ids = PROTECT(shim_new_matrix(INTSXP, (double)count, (double)query.k));
  SEXP distances = PROTECT(shim_new_matrix(REALSXP, (double)count, (double)query.k));
  const rct_neighbors out = output(count, query.k, shim_doubles(distances));

  shim_listener listener;
  shim_listen(&listener, tick);
  const rct_status status = rct_query_batch(tree, &query, &out, &listener.control);
  SEXP result;
  if (status == RCT_OK) {
    int *to = INTEGER(ids);
    for (R_xlen_t i = 0; i < XLENGTH(ids); i++) to[i] = one_based(out.ids.data[i]);
    result = ids_and_distances(ids, distances);
  } else {
    result = shim_failure(status);
  }
  UNPROTECT(2);
  return result;
}

SEXP r_vecchia_neighbors(SEXP pointer, SEXP k_, SEXP order_, SEXP positions, SEXP with_distances, SEXP tick) {
  const rct_tree *tree = shim_tree(pointer);
  shim_listener listener;
  shim_listen(&listener, tick);
  rct_tree_stats stats;
  rct_status status = shim_stats(tree, &stats);
  if (status != RCT_OK) return shim_failure(status);
  const size_t n = stats.n, k = (size_t)shim_count(k_, "k", INT_MAX - 1);
  const rct_index_vector order = shim_indices(order_, "order", 1);
  const int as_positions = shim_flag(positions, "positions") && order.data != NULL;

  /* The first column is the point itself; the library writes the others. */
  SEXP ids = PROTECT(shim_new_matrix(INTSXP, (double)n, (double)k + 1));
  const int wanted = shim_flag(with_distances, "distances");
  SEXP distances = PROTECT(wanted ? shim_new_matrix(REALSXP, (double)n, (double)k + 1) : R_NilValue);
  const rct_neighbors out = output(n, k, wanted ? shim_doubles(distances) + n : NULL);
  status = rct_vecchia_neighbors(tree, k, order, &out, &listener.control);
  if (status != RCT_OK) {
    SEXP failure = shim_failure(status);
    UNPROTECT(2);
    return failure;
  }

  int *to = INTEGER(ids), *place = NULL;
  if (as_positions) {
    /* The order is a permutation of the ids, or the library would have refused it. */
    int64_t last = 0;
    for (size_t t = 0; t < n; t++)
      if (order.data[t] > last) last = order.data[t];
    place = (int *)R_alloc((size_t)last + 1, sizeof(int));
    for (size_t t = 0; t < n; t++) place[order.data[t]] = (int)t + 1;
  }
  for (size_t t = 0; t < n; t++) {
    to[t] = order.data == NULL || as_positions ? (int)t + 1 : one_based(order.data[t]);
    if (wanted) REAL(distances)[t] = 0;
  }
  for (size_t i = 0; i < n * k; i++) {
    const int64_t id = out.ids.data[i];
    to[n + i] = as_positions && id >= 0 ? place[id] : one_based(id);
  }
  SEXP result = wanted ? ids_and_distances(ids, distances) : ids;
  UNPROTECT(2);
  return result;
}

static void free_radius_result(SEXP holder) {
  rct_radius_result_free(R_ExternalPtrAddr(holder));
  R_ClearExternalPtr(holder);
}

SEXP r_within_radius(SEXP pointer, SEXP query_list, SEXP radius, SEXP tick) {
  const rct_tree *tree = shim_tree(pointer);
  rct_query query;
  shim_query(&query, query_list);
  const double bound = shim_double(radius, "radius");
  shim_listener listener;
  shim_listen(&listener, tick);
  /* Held by R from the start: allocating what R returns may fail. */
  SEXP holder = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(holder, free_radius_result, TRUE);
  rct_radius_result *found = NULL;
  rct_status status = rct_radius_batch(tree, &query, bound, &found, &listener.control);
  R_SetExternalPtrAddr(holder, found);
  rct_radius_view view;
  if (status == RCT_OK) status = rct_radius_result_view(found, &view);
  if (status != RCT_OK) {
    SEXP failure = shim_failure(status);
    UNPROTECT(1);
    return failure;
  }

  SEXP ids = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)view.queries));
  SEXP distances = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)view.queries));
  for (size_t q = 0; q < view.queries; q++) {
    const size_t start = view.offsets[q], count = view.offsets[q + 1] - start;
    SET_VECTOR_ELT(ids, (R_xlen_t)q, Rf_allocVector(INTSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(distances, (R_xlen_t)q, Rf_allocVector(REALSXP, (R_xlen_t)count));
    int *id = INTEGER(VECTOR_ELT(ids, (R_xlen_t)q));
    double *distance = REAL(VECTOR_ELT(distances, (R_xlen_t)q));
    for (size_t i = 0; i < count; i++) {
      id[i] = one_based(view.ids[start + i]);
      distance[i] = view.distances[start + i];
    }
  }
  free_radius_result(holder);
  SEXP result = ids_and_distances(ids, distances);
  UNPROTECT(3);
  return result;
}
