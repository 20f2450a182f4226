#' residualcovertree: exact neighbours for Vecchia and VIF Gaussian processes
#'
#' A Vecchia approximation of a Gaussian process conditions each observation on its k most correlated *earlier*
#' observations. A VIF approximation (Vecchia with inducing points, full-scale) first removes what m inducing points
#' explain, so neighbours must be found under the correlation of the *residual* process. This package finds them
#' exactly: the neighbours that a comparison with every point would find.
#'
#' The sets are those of one model or of the other: `metric = "correlation"` or `"euclidean"` for a plain Vecchia
#' likelihood, such as that of 'GpGp', and `metric = "residual"` for a VIF likelihood with the same inducing points; see
#' [vecchia_neighbors()].
#'
#' Build a tree with [rct_tree()]; then [vecchia_neighbors()] gives the whole conditioning array, [nearest()] and
#' [within_radius()] the neighbours of single points or of new ones. [rct_order()] orders points and
#' [select_inducing()] chooses inducing points. [rct_insert()], [rct_remove()] and [rct_refit()] change a tree,
#' [rct_save()] and [rct_load()] keep it. [rct_factor()], [rct_inducing()] and [rct_residual_covariances()] give what
#' the tree has computed on the way.
#'
#' @section Definitions:
#' With the covariance function \eqn{k}, its variance \eqn{\sigma^2}, the inducing points \eqn{Z} and the Cholesky
#' factor \eqn{L} of \eqn{k(Z, Z) + \mathrm{jitter} \cdot \sigma^2 I}{k(Z, Z) + jitter sigma^2 I}:
#' * \eqn{V_i = L^{-1} k(Z, x_i)}{V_i = L^-1 k(Z, x_i)}, a row of the *factor*;
#' * \eqn{p_i = \max(k(x_i, x_i) - V_i \cdot V_i, \mathrm{floor} \cdot \sigma^2)}{p_i = max(k(x_i, x_i) - V_i.V_i,
#'   floor sigma^2)}, the *residual variance*;
#' * \eqn{\rho_{ij} = (k(x_i, x_j) - V_i \cdot V_j) / \sqrt{p_i p_j}}{rho_ij = (k(x_i, x_j) - V_i.V_j) / sqrt(p_i
#'   p_j)}, the *residual correlation*;
#' * \eqn{d_{ij} = \sqrt{1 - |\rho_{ij}|}}{d_ij = sqrt(1 - |rho_ij|)}, the *residual correlation distance*.
#'
#' Neighbours are ordered by distance, equal distances by id. An id is a row number of `coords`.
#'
#' @section Matrices:
#' A matrix of doubles is read where it is. A data frame or an integer matrix is converted first, which copies it;
#' [rct_tree()] says which data frames are coordinates.
#'
#' @section Threads:
#' One thread by default, as many as `rct_tree(threads = )` or `options(rct.threads = )` asks for. A tree also works
#' in the forked children of [parallel::mclapply()]. To another process it goes by [rct_save()] and [rct_load()].
#'
#' @section Interrupts, progress and errors:
#' Ctrl-C stops any call and leaves the tree as it was. In interactive use a call that takes longer than a second
#' draws a progress bar; the argument `progress`, whose default is `options(rct.progress = )`, may be `TRUE`, `FALSE`
#' or a function that gets the fraction done, from 0 to 1. An error from the library has the class `"rct_error"`, and
#' its element `status` is the name of the library's status, such as `"RCT_ERROR_NOT_FINITE"`. A warning of
#' the library has the class `"rct_warning"`. Both count rows, columns and ids from 1, as R does.
#'
#' @keywords internal
#' @useDynLib residualcovertree, .registration = TRUE
"_PACKAGE"

#' Version of the library
#'
#' @return The version of the rct library that is loaded, such as `"0.1.0"`.
#' @examples
#' rct_version()
#' @export
rct_version <- function() .Call(C_version)
