/* What a tree is built from, refitted with and asked. */
#ifndef RCT_QUERY_HPP
#define RCT_QUERY_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "error.hpp"
#include "options.hpp"
#include "views.hpp"

namespace rct {

/* What a tree is built from. The views are read by the build, and not after. */
class Data {
 public:
  /* n x d: row i is the point with id i. */
  template <class Matrix, class = std::enable_if_t<std::is_convertible_v<Matrix, MatrixView<const double>>>>
  Data(Matrix &&coords) {
    detail::check(rct_data_init(&c_));
    c_.coords = detail::c(MatrixView<const double>(std::forward<Matrix>(coords)));
  }
  /* m x d. */
  Data &inducing(MatrixView<const double> inducing) {
    c_.inducing = detail::c(inducing);
    return *this;
  }
  /* V, n x m, of the caller's in place of `inducing`. */
  Data &factor(MatrixView<const double> factor) {
    c_.factor = detail::c(factor);
    return *this;
  }
  /* p, n values, with `factor`; computed from it where absent. */
  Data &residual_variances(VectorView<const double> variances) {
    c_.residual_variances = detail::c(variances);
    return *this;
  }

  const rct_data &c() const noexcept { return c_; }

 private:
  rct_data c_;
};

/* What a refit changes beside the options; by default nothing. The views are read by the refit, and not after. */
class Model {
 public:
  Model() { detail::check(rct_data_init(&c_)); }

  /* m x d. Absent: those of the tree stay. */
  Model &inducing(MatrixView<const double> inducing) {
    c_.inducing = detail::c(inducing);
    return *this;
  }
  /* V, of the caller's, in place of `inducing`: a row for each point, by ascending id. */
  Model &factor(MatrixView<const double> factor) {
    c_.factor = detail::c(factor);
    return *this;
  }
  /* p, a value for each point, with `factor`; computed from it where absent. */
  Model &residual_variances(VectorView<const double> variances) {
    c_.residual_variances = detail::c(variances);
    return *this;
  }

  const rct_data &c() const noexcept { return c_; }

 private:
  rct_data c_;
};

/* A batch of queries, or of points to know V and p of. The views are read by the search, and not after. */
class Query {
 public:
  /* Stored points. (`k` is not used by radius_batch and factor.) */
  static Query of_ids(VectorView<const std::int64_t> ids, std::size_t k = 1) {
    Query query(ids.size, k);
    query.c_.ids = detail::c(ids);
    return query;
  }
  /* New points, q x d. */
  static Query of_points(MatrixView<const double> coords, std::size_t k = 1) {
    Query query(coords.rows, k);
    query.c_.coords = detail::c(coords);
    return query;
  }
  /* Rows of V for new points, q x m, where the tree has the caller's factor. */
  Query &factor(MatrixView<const double> factor) {
    c_.factor = detail::c(factor);
    return *this;
  }
  /* p of new points, where the tree has the caller's. */
  Query &residual_variances(VectorView<const double> variances) {
    c_.residual_variances = detail::c(variances);
    return *this;
  }
  /* Only ids below the limit: one for all, or one a query. */
  Query &id_limit(std::int64_t limit) {
    id_limit_ = limit;
    return *this;
  }
  Query &id_limits(VectorView<const std::int64_t> limits) {
    id_limit_.reset();
    c_.id_limits = detail::c(limits);
    return *this;
  }
  /* Only neighbours nearer than the bound: one for all, or one a query. */
  Query &max_distance(double bound) {
    max_distance_ = bound;
    return *this;
  }
  Query &max_distances(VectorView<const double> bounds) {
    max_distance_.reset();
    c_.max_distances = detail::c(bounds);
    return *this;
  }
  /* Whether a stored point is no neighbour of its own. Default: it is one. */
  Query &exclude_self(bool exclude = true) {
    c_.exclude_self = exclude ? 1 : 0;
    return *this;
  }
  /* For this batch; automatic: the tree's own. */
  Query &traversal(Traversal traversal) {
    c_.traversal = static_cast<std::int32_t>(traversal);
    return *this;
  }

  /* Number of queries. */
  std::size_t size() const noexcept { return size_; }
  std::size_t k() const noexcept { return c_.k; }

  /* Points into *this. */
  rct_query c() const noexcept {
    rct_query query = c_;
    if (id_limit_) query.id_limits = detail::c(VectorView<const std::int64_t>(&*id_limit_, 1));
    if (max_distance_) query.max_distances = detail::c(VectorView<const double>(&*max_distance_, 1));
    return query;
  }

 private:
  Query(std::size_t size, std::size_t k) : size_(size) {
    detail::check(rct_query_init(&c_));
    c_.k = k;
  }

  rct_query c_;
  std::size_t size_;
  std::optional<std::int64_t> id_limit_;
  std::optional<double> max_distance_;
};

}  // namespace rct

#endif /* RCT_QUERY_HPP */
