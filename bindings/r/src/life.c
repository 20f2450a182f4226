/* A tree that lives: points that come and go, other parameters, files. */
#include <limits.h>

#include <R_ext/Memory.h>

#include "shim.h"

SEXP r_insert(SEXP pointer, SEXP data_list, SEXP tick) {
  rct_tree *tree = shim_tree(pointer);
  rct_data data;
  shim_data(&data, data_list);
  shim_listener listener;
  shim_listen(&listener, tick);
  int64_t first = 0;
  shim_change(tree);
  const rct_status status = rct_insert_batch(tree, &data, &first, &listener.control);
  SEXP failure = shim_changed(tree, status);
  return status == RCT_OK ? Rf_ScalarInteger((int)(first + 1)) : failure;
}

SEXP r_remove(SEXP pointer, SEXP ids_, SEXP tick) {
  rct_tree *tree = shim_tree(pointer);
  const rct_index_vector ids = shim_indices(ids_, "ids", 1);
  shim_listener listener;
  shim_listen(&listener, tick);
  shim_change(tree);
  return shim_changed(tree, rct_remove_batch(tree, ids, &listener.control));
}

SEXP r_refit(SEXP pointer, SEXP option_list, SEXP covariance, SEXP data_list, SEXP tick) {
  rct_tree *tree = shim_tree(pointer);
  rct_options options;
  shim_options(&options, option_list, covariance);
  rct_data data;
  shim_data(&data, data_list);
  shim_listener listener;
  shim_listen(&listener, tick);
  shim_change(tree);
  const rct_status status = rct_refit(tree, &options, &data, &listener.control);
  /* From now on the tree calls this one. */
  if (status == RCT_OK) R_SetExternalPtrProtected(pointer, covariance);
  return shim_changed(tree, status);
}

static const char *file_name(SEXP path) {
  if (TYPEOF(path) != STRSXP || XLENGTH(path) != 1) Rf_errorcall(R_NilValue, "path must be one string");
  return Rf_translateChar(STRING_ELT(path, 0));
}

SEXP r_save(SEXP pointer, SEXP path, SEXP tick) {
  const rct_tree *tree = shim_tree(pointer);
  const char *name = file_name(path);
  shim_listener listener;
  shim_listen(&listener, tick);
  const rct_status status = rct_save(tree, name, &listener.control);
  return status == RCT_OK ? R_NilValue : shim_failure(status);
}

SEXP r_load(SEXP path, SEXP threads, SEXP memory_map, SEXP tick) {
  const char *name = file_name(path);
  rct_load_options options;
  rct_load_options_init(&options);
  options.threads = (int32_t)shim_count(threads, "threads", INT_MAX);
  options.memory_map = shim_flag(memory_map, "memory_map");
  shim_listener listener;
  shim_listen(&listener, tick);
  SEXP pointer = PROTECT(shim_new_pointer(R_NilValue));
  rct_tree *tree = NULL;
  const rct_status status = rct_load(name, &options, &tree, &listener.control);
  SEXP result = shim_made(pointer, tree, status);
  UNPROTECT(1);
  return result;
}

SEXP r_ids(SEXP pointer) {
  const rct_tree *tree = shim_tree(pointer);
  rct_tree_stats stats;
  rct_status status = shim_stats(tree, &stats);
  if (status != RCT_OK) return shim_failure(status);
  const size_t n = stats.n;
  SEXP ids = PROTECT(Rf_allocVector(INTSXP, (R_xlen_t)n));
  int64_t *found = (int64_t *)R_alloc(n + 1, sizeof(int64_t));
  status = rct_ids(tree, rct_index_vector_out_of(found, n));
  if (status == RCT_OK)
    for (size_t i = 0; i < n; i++) INTEGER(ids)[i] = (int)(found[i] + 1);
  SEXP result = status == RCT_OK ? ids : shim_failure(status);
  UNPROTECT(1);
  return result;
}
