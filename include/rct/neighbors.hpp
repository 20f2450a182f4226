/* What a tree answers. */
#ifndef RCT_NEIGHBORS_HPP
#define RCT_NEIGHBORS_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
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

/* The k nearest of each query, ascending by (distance, id), padded with id -1 at distance infinity. */
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

/* Where an answer is to go in memory of the caller's: q x k, q x k and q. Distances and counts may be absent. */
struct NeighborsOut {
  MatrixView<std::int64_t> ids;
  MatrixView<double> distances{};
  VectorView<std::int64_t> counts{};

  rct_neighbors c() const noexcept { return {detail::c(ids), detail::c(distances), detail::c(counts)}; }
};

/* All points within a radius of each query, ascending by (distance, id): those of query i are the elements
 * offsets()[i] to offsets()[i + 1] - 1. Move-only; what the spans show lives as long as this. */
class RadiusNeighbors {
 public:
  std::size_t queries() const noexcept { return view().queries; }
  Span<const std::size_t> offsets() const noexcept { return {view().offsets, result_ ? view().queries + 1 : 0}; }
  Span<const std::int64_t> ids() const noexcept { return {view().ids, view().total}; }
  Span<const double> distances() const noexcept { return {view().distances, view().total}; }

  Span<const std::int64_t> ids_of(std::size_t i) const { return {ids().data() + first(i), first(i + 1) - first(i)}; }
  Span<const double> distances_of(std::size_t i) const {
    return {distances().data() + first(i), first(i + 1) - first(i)};
  }

 private:
  friend class Tree;

  struct Free {
    void operator()(rct_radius_result *result) const noexcept { rct_radius_result_free(result); }
  };
  /* Of nothing, where there is no result. */
  rct_radius_view view() const noexcept {
    rct_radius_view view{};
    if (result_) rct_radius_result_view(result_.get(), &view);
    return view;
  }
  std::size_t first(std::size_t i) const {
    if (i >= offsets().size()) throw std::out_of_range("no such query in RadiusNeighbors");
    return offsets()[i];
  }

  std::unique_ptr<rct_radius_result, Free> result_;
};

}  // namespace rct

#endif /* RCT_NEIGHBORS_HPP */
