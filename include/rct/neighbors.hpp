/* What a tree answers. */
#ifndef RCT_NEIGHBORS_HPP
#define RCT_NEIGHBORS_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "error.hpp"
#include "views.hpp"

namespace rct {

namespace detail {

/* The number of elements of a matrix to allocate. */
inline std::size_t elements(std::size_t rows, std::size_t cols) {
  if (cols != 0 && rows > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / 8 / cols)
    throw Error(RCT_ERROR_INVALID_ARGUMENT, "an output of " + std::to_string(rows) + " x " + std::to_string(cols) +
                                                " elements does not fit in memory");
  return rows * cols;
}

}  // namespace detail

/* The k nearest of each query, ascending by (distance, id), padded with id -1 at distance infinity. As conditioning
 * sets those of a tree with Metric::residual are for a VIF likelihood with its inducing points; a plain Vecchia likelihood
 * takes those of Metric::correlation or Metric::euclidean. */
struct Neighbors {
  std::size_t queries = 0, k = 0;
  std::vector<std::int64_t> ids;    /* queries x k, row-major */
  std::vector<double> distances;    /* queries x k, row-major */
  std::vector<std::int64_t> counts; /* queries: how many there are */

  /* Of query i, without the padding. */
  Span<const std::int64_t> ids_of(std::size_t i) const { return {ids.data() + i * k, count_of(i)}; }
  Span<const double> distances_of(std::size_t i) const { return {distances.data() + i * k, count_of(i)}; }

 private:
  std::size_t count_of(std::size_t i) const { return static_cast<std::size_t>(counts.at(i)); }
};

/* What the inducing points tell of each point, as the search uses it. */
struct Factor {
  std::size_t points = 0, m = 0;
  std::vector<double> factor;             /* V, points x m, row-major: L v = k(Z, x) */
  std::vector<double> residual_variances; /* p, points: k(x, x) - v.v, what is left */

  /* Of point i. */
  Span<const double> row(std::size_t i) const {
    if (i >= points) throw std::out_of_range("no such point in Factor");
    return {factor.data() + i * m, m};
  }
};

/* Where the inducing points lie, and the lower Cholesky factor of their covariance with the jitter. */
struct InducingPoints {
  std::size_t m = 0, d = 0;
  std::vector<double> coords;   /* Z, m x d, row-major, as given */
  std::vector<double> cholesky; /* L, m x m, row-major, zeros above the diagonal */
};

/* Where an answer is to go in memory of the caller's: q x k, q x k and q. Distances and counts may be absent. */
struct NeighborsOut {
  MatrixView<std::int64_t> ids;
  MatrixView<double> distances{};
  VectorView<std::int64_t> counts{};

  rct_neighbors c() const noexcept { return {detail::c(ids), detail::c(distances), detail::c(counts)}; }
};

/* All points within a radius of each query, ascending by (distance, id): those of query i are the elements
 * offsets[i] to offsets[i + 1] - 1. Move-only; what the spans show lives as long as this. */
struct RadiusNeighbors {
  std::size_t queries = 0;
  Span<const std::size_t> offsets;  /* queries + 1 */
  Span<const std::int64_t> ids;     /* offsets[queries] */
  Span<const double> distances;     /* offsets[queries] */

  RadiusNeighbors() = default;
  RadiusNeighbors(RadiusNeighbors &&other) noexcept { swap(other); }
  RadiusNeighbors &operator=(RadiusNeighbors &&other) noexcept {
    RadiusNeighbors moved(std::move(other));
    swap(moved);
    return *this;
  }

  /* Of query i. */
  Span<const std::int64_t> ids_of(std::size_t i) const { return {ids.data() + first(i), first(i + 1) - first(i)}; }
  Span<const double> distances_of(std::size_t i) const {
    return {distances.data() + first(i), first(i + 1) - first(i)};
  }

 private:
  friend class Tree;

  struct Free {
    void operator()(rct_radius_result *result) const noexcept { rct_radius_result_free(result); }
  };
  using Result = std::unique_ptr<rct_radius_result, Free>;

  explicit RadiusNeighbors(Result result) : result_(std::move(result)) {
    rct_radius_view view;
    detail::check(rct_radius_result_view(result_.get(), &view));
    queries = view.queries;
    offsets = {view.offsets, view.queries + 1};
    ids = {view.ids, view.total};
    distances = {view.distances, view.total};
  }
  void swap(RadiusNeighbors &other) noexcept {
    std::swap(queries, other.queries);
    std::swap(offsets, other.offsets);
    std::swap(ids, other.ids);
    std::swap(distances, other.distances);
    std::swap(result_, other.result_);
  }
  std::size_t first(std::size_t i) const {
    if (i >= offsets.size()) throw std::out_of_range("no such query in RadiusNeighbors");
    return offsets[i];
  }

  Result result_;
};

}  // namespace rct

#endif /* RCT_NEIGHBORS_HPP */
