/* rct.hpp: the residual cover tree in C++17, over the C functions of rct.h. Header only: link with librct.
 *
 *   rct::Tree tree(rct::Options().lengthscale(0.2), rct::Data(rct::row_major(coords, 2)));
 *   rct::Neighbors sets = tree.vecchia_neighbors(10);
 *
 * - A call that fails throws rct::Error, with the status and the sentence of the library.
 * - Matrices and vectors go in as views, without a copy: row-major, column-major or of any stride, of std::vector,
 *   plain pointers or Eigen matrices. What a view shows must live until the call it is given to returns; Options
 *   copies. Answers come out as vectors, or are written where a view of the caller's says.
 * - Ids are 0-based; a missing neighbour is id -1 at distance infinity.
 * - const member functions of Tree may be called from any number of threads at once; the others need it alone.
 * - An exception thrown in a callback stops the call and comes out of it unchanged.
 *
 * What each function does, its cost and its limits: rct.h. */
#ifndef RCT_HPP
#define RCT_HPP

#if !(__cplusplus >= 201703L || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L))
#error "rct.hpp needs C++17; rct.h does with C++11"
#endif

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "rct.h"
#include "rct/control.hpp"
#include "rct/error.hpp"
#include "rct/neighbors.hpp"
#include "rct/options.hpp"
#include "rct/query.hpp"
#include "rct/saved.hpp"
#include "rct/views.hpp"

namespace rct {

using Stats = rct_tree_stats;

#define RCT_NEEDS_OPTIONS                                                                                            \
  "rct: a tree needs options: rct::Tree tree(rct::Options().lengthscale(x), data), with x in the unit of the coordinates"

/* A tree; move-only. One that was moved from can be assigned to or destroyed. */
class Tree {
 public:
  /* An empty tree, to be built. */
  explicit Tree(const Options &options) : covariance_(options.covariance_) {
    const rct_options c = options.c();
    rct_tree *tree = nullptr;
    detail::check(rct_create(&c, &tree));
    tree_.reset(tree);
  }
  /* A built tree; options and data in either order. (To C++ `Tree tree(Options(), Data(coords))` is a function, as
   * compilers warn; `Tree tree(Options().lengthscale(x), Data(coords))` is a tree.) */
  Tree(const Options &options, const Data &data, const Control &control = Control()) : Tree(options) {
    build(data, control);
  }
  Tree(const Data &data, const Options &options, const Control &control = Control()) : Tree(options, data, control) {}
  /* A kernel has no default lengthscale, so a tree has no default options. */
  template <class Nothing = void>
  Tree() {
    static_assert(detail::never<Nothing>, RCT_NEEDS_OPTIONS);
  }
  template <class Given, class = std::enable_if_t<std::is_convertible_v<Given, Data>>>
  explicit Tree(Given &&) {
    static_assert(detail::never<Given>, RCT_NEEDS_OPTIONS);
  }

  /* Once. Where it fails the tree stays empty, and can be built. */
  void build(const Data &data, const Control &control = Control()) {
    const rct_control c = control.c();
    detail::check(rct_build(tree_.get(), &data.c(), &c));
  }

  /* Inserts the rows of `coords`, with what the build had but for inducing points; returns the id of the first. Ids
   * follow the largest that was ever given. Where it fails, as where `remove` and `refit` do, the tree is as it was. */
  std::int64_t insert(const Data &data, const Control &control = Control()) {
    const rct_control c = control.c();
    std::int64_t first = 0;
    detail::check(rct_insert_batch(tree_.get(), &data.c(), &first, &c));
    return first;
  }
  /* Ids of other points stay, and none is used again. */
  void remove(VectorView<const std::int64_t> ids, const Control &control = Control()) {
    const rct_control c = control.c();
    detail::check(rct_remove_batch(tree_.get(), detail::c(ids), &c));
  }
  /* Other parameters over the same points: all of `options`, whose metric must be the tree's, and what `model` has. */
  void refit(const Options &options, const Model &model = Model(), const Control &control = Control()) {
    const rct_options c_options = options.c();
    const rct_control c_control = control.c();
    const rct_status status = rct_refit(tree_.get(), &c_options, &model.c(), &c_control);
    if (status == RCT_OK) covariance_ = options.covariance_;
    detail::check(status);
  }

  /* In a file, replaced at once when all is on the disk: whatever happens, there is the old one or the new one. */
  void save(const std::string &path, const Control &control = Control()) const {
    const rct_control c = control.c();
    detail::check(rct_save(tree_.get(), detail::file_name(path), &c));
  }
  static Tree load(const std::string &path, const LoadOptions &options = LoadOptions(),
                   const Control &control = Control()) {
    const rct_control c = control.c();
    rct_tree *tree = nullptr;
    const rct_status status = rct_load(detail::file_name(path), &options.c(), &tree, &c);
    return Tree(tree, status);
  }
  /* The bytes of the file that `save` would write. */
  std::vector<std::uint8_t> to_buffer(const Control &control = Control()) const {
    const rct_control c = control.c();
    rct_buffer *given = nullptr;
    const rct_status status = rct_save_to_buffer(tree_.get(), &given, &c);
    const detail::Buffer buffer(given);
    detail::check(status);
    const std::uint8_t *bytes = nullptr;
    std::size_t size = 0;
    detail::check(rct_buffer_view(given, &bytes, &size));
    return std::vector<std::uint8_t>(bytes, bytes + size);
  }
  static Tree from_buffer(Span<const std::uint8_t> bytes, const LoadOptions &options = LoadOptions(),
                          const Control &control = Control()) {
    const rct_control c = control.c();
    rct_tree *tree = nullptr;
    const rct_status status =
        rct_load_from_buffer(detail::place(bytes.data()), bytes.size(), &options.c(), &tree, &c);
    return Tree(tree, status);
  }
  static Tree from_buffer(const std::vector<std::uint8_t> &bytes, const LoadOptions &options = LoadOptions(),
                          const Control &control = Control()) {
    return from_buffer(Span<const std::uint8_t>(bytes.data(), bytes.size()), options, control);
  }

  Neighbors query_batch(const Query &query, const Control &control = Control()) const {
    Neighbors found = room(query.size(), query.k());
    query_batch_into(query, out(found), control);
    return found;
  }
  void query_batch_into(const Query &query, const NeighborsOut &out, const Control &control = Control()) const {
    const rct_query c_query = query.c();
    const rct_neighbors c_out = out.c();
    const rct_control c_control = control.c();
    detail::check(rct_query_batch(tree_.get(), &c_query, &c_out, &c_control));
  }

  /* The whole Vecchia job: row t has the k nearest of order[0], ..., order[t - 1] to order[t]. Absent: order by id, so
   * that row t is that of the t-th point that is there. Which likelihood the sets are for: Options::metric. */
  Neighbors vecchia_neighbors(std::size_t k, VectorView<const std::int64_t> order = {},
                              const Control &control = Control()) const {
    Neighbors found = room(stats().n, k);
    vecchia_neighbors_into(k, order, out(found), control);
    return found;
  }
  void vecchia_neighbors_into(std::size_t k, VectorView<const std::int64_t> order, const NeighborsOut &out,
                              const Control &control = Control()) const {
    const rct_neighbors c_out = out.c();
    const rct_control c_control = control.c();
    detail::check(rct_vecchia_neighbors(tree_.get(), k, detail::c(order), &c_out, &c_control));
  }

  RadiusNeighbors radius_batch(const Query &query, double radius, const Control &control = Control()) const {
    const rct_query c_query = query.c();
    const rct_control c_control = control.c();
    rct_radius_result *given = nullptr;
    const rct_status status = rct_radius_batch(tree_.get(), &c_query, radius, &given, &c_control);
    RadiusNeighbors::Result result(given);
    detail::check(status);
    return RadiusNeighbors(std::move(result));
  }

  /* Of each pair of stored points (i[t], j[t]). */
  std::vector<double> distances(VectorView<const std::int64_t> i, VectorView<const std::int64_t> j) const {
    std::vector<double> values(i.size);
    detail::check(rct_distances(tree_.get(), detail::c(i), detail::c(j), detail::c(VectorView<double>(values))));
    return values;
  }
  /* Signed residual correlations of such pairs. */
  std::vector<double> correlations(VectorView<const std::int64_t> i, VectorView<const std::int64_t> j) const {
    std::vector<double> values(i.size);
    detail::check(rct_correlations(tree_.get(), detail::c(i), detail::c(j), detail::c(VectorView<double>(values))));
    return values;
  }

  /* The covariance k_ij - V_i.V_j that the inducing points leave of such pairs; p_i where i = j. */
  std::vector<double> residual_covariances(VectorView<const std::int64_t> i, VectorView<const std::int64_t> j) const {
    std::vector<double> values(i.size);
    detail::check(
        rct_residual_covariances(tree_.get(), detail::c(i), detail::c(j), detail::c(VectorView<double>(values))));
    return values;
  }

  /* V and p of stored or new points: of `query` only these are used. Not for a Euclidean tree. */
  Factor factor(const Query &query, const Control &control = Control()) const {
    Factor found;
    found.points = query.size();
    found.m = stats().m;
    found.factor.resize(detail::elements(found.points, found.m));
    found.residual_variances.resize(found.points);
    const rct_query c_query = query.c();
    const rct_control c_control = control.c();
    const rct_factor_out out = {
        detail::c(row_major(detail::place(found.factor.data()), found.points, found.m)),
        detail::c(VectorView<double>(found.residual_variances)),
    };
    detail::check(rct_factor(tree_.get(), &c_query, &out, &c_control));
    return found;
  }
  /* Not for a tree with a factor of the caller's, or a Euclidean one. */
  InducingPoints inducing_points() const {
    const Stats figures = stats();
    InducingPoints found;
    found.m = figures.m;
    found.d = figures.d;
    found.coords.resize(detail::elements(found.m, found.d));
    found.cholesky.resize(detail::elements(found.m, found.m));
    const MatrixView<double> coords = row_major(detail::place(found.coords.data()), found.m, found.d);
    const MatrixView<double> cholesky = row_major(detail::place(found.cholesky.data()), found.m, found.m);
    detail::check(rct_inducing_points(tree_.get(), detail::c(coords), detail::c(cholesky)));
    return found;
  }

  /* What the tree was made with, or last refitted with; also of one that was loaded. */
  Options options() const {
    rct_options c;
    detail::check(rct_options_init(&c));
    detail::check(rct_get_options(tree_.get(), &c));
    return Options(c, covariance_);
  }
  /* The ids that are there, ascending. */
  std::vector<std::int64_t> ids() const {
    std::vector<std::int64_t> found(stats().n);
    detail::check(rct_ids(tree_.get(), detail::c(VectorView<std::int64_t>(found))));
    return found;
  }

  /* `warning`, where it is not NULL, lives until the tree is changed. */
  Stats stats() const {
    Stats stats{};
    stats.struct_size = sizeof stats;
    detail::check(rct_stats(tree_.get(), &stats));
    return stats;
  }
  /* Throws where an invariant of the tree is broken; O(n^2). */
  void validate(const Control &control = Control()) const {
    const rct_control c = control.c();
    detail::check(rct_validate(tree_.get(), &c));
  }

  /* For functions of rct.h; the tree keeps it. */
  rct_tree *get() const noexcept { return tree_.get(); }

 private:
  struct Free {
    void operator()(rct_tree *tree) const noexcept { rct_free(tree); }
  };

  /* Of a call that made `tree` where it succeeded. */
  Tree(rct_tree *tree, rct_status status) : tree_(tree) { detail::check(status); }

  static Neighbors room(std::size_t queries, std::size_t k) {
    const std::size_t size = detail::elements(queries, k);
    return {queries, k, std::vector<std::int64_t>(size), std::vector<double>(size), std::vector<std::int64_t>(queries)};
  }
  static NeighborsOut out(Neighbors &found) {
    return {row_major(detail::place(found.ids.data()), found.queries, found.k),
            row_major(detail::place(found.distances.data()), found.queries, found.k), found.counts};
  }

  /* Before the tree, which calls it, so that it is freed after. */
  std::shared_ptr<const CovarianceFunction> covariance_;
  std::unique_ptr<rct_tree, Free> tree_;
};

#undef RCT_NEEDS_OPTIONS

/* For each place the id of the point that stands there; `seed` is for the random order. */
inline std::vector<std::int64_t> order(MatrixView<const double> coords, Ordering ordering, std::uint64_t seed = 0,
                                       const Control &control = Control()) {
  std::vector<std::int64_t> places(coords.rows);
  const rct_control c = control.c();
  detail::check(rct_order(detail::c(coords), static_cast<std::int32_t>(ordering), seed,
                          detail::c(VectorView<std::int64_t>(places)), &c));
  return places;
}

/* Coordinates of m inducing points, m x d, row-major. */
inline std::vector<double> select_inducing(MatrixView<const double> coords, std::size_t m,
                                           InducingMethod method = InducingMethod::kmeans_plus_plus,
                                           std::uint64_t seed = 0, const Control &control = Control()) {
  std::vector<double> inducing(detail::elements(m, coords.cols));
  const rct_control c = control.c();
  const MatrixView<double> out = row_major(detail::place(inducing.data()), m, coords.cols);
  detail::check(rct_select_inducing(detail::c(coords), m, static_cast<std::int32_t>(method), seed, detail::c(out), &c));
  return inducing;
}

/* Of the library that is loaded; RCT_VERSION is the header's. */
inline std::string version() { return rct_version(); }

}  // namespace rct

#endif /* RCT_HPP */
