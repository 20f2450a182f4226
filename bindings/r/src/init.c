/* Registration: R finds these routines by their symbols and nothing else of this library. */
#include <R_ext/Rdynload.h>
#include <R_ext/Visibility.h>

#include "shim.h"

/* The cast in between is the one that compilers take for a change of function type that is meant. */
#define ROUTINE(name, arguments) {"C_" #name, (DL_FUNC)(void (*)(void))r_##name, arguments}

static const R_CallMethodDef routines[] = {
    ROUTINE(tree_new, 4),
    ROUTINE(insert, 3),
    ROUTINE(remove, 3),
    ROUTINE(refit, 5),
    ROUTINE(save, 3),
    ROUTINE(load, 4),
    ROUTINE(ids, 1),
    ROUTINE(options, 1),
    ROUTINE(stats, 1),
    ROUTINE(validate, 2),
    ROUTINE(version, 0),
    ROUTINE(nearest, 4),
    ROUTINE(within_radius, 4),
    ROUTINE(vecchia_neighbors, 6),
    ROUTINE(distances, 3),
    ROUTINE(correlations, 3),
    ROUTINE(residual_covariances, 3),
    ROUTINE(factor, 3),
    ROUTINE(inducing, 1),
    ROUTINE(order, 4),
    ROUTINE(select_inducing, 5),
    {NULL, NULL, 0},
};

void attribute_visible R_init_residualcovertree(DllInfo *library) {
  R_registerRoutines(library, NULL, routines, NULL, NULL);
  R_useDynamicSymbols(library, FALSE);
  R_forceSymbols(library, TRUE);
  if (rct_abi_version() != RCT_ABI_VERSION)
    Rf_error("the rct library that was loaded (%s) does not fit the one that this package was built with (%s)",
             rct_version(), RCT_VERSION);
}
