/* What a tree knows of itself: V, p, Z and L, covariances that are left, its ids and its options; and its doubts. */
#include <cmath>
#include <cstdio>

#include "support.hpp"

namespace {

constexpr std::size_t N = 120, D = 3, M = 9, NEW = 5;

/* A problem with its tree. */
struct Fixture : Problem {
  rct::Tree tree{options(), rct::Data(rct::row_major(given.coords, N, D)).inducing(inducing())};

  Fixture() : Problem(N, D, M, NEW, 31) {}
  static rct::Options options() { return rct::Options().variance(1.7).lengthscale(0.3).threads(1); }
  rct::MatrixView<const double> inducing() const { return rct::row_major(given.inducing, M, D); }
};

bool close(double a, double b) { return std::fabs(a - b) < 1e-8; }

void factor_of_stored_and_new_points() {
  const Fixture f;
  const std::vector<std::int64_t> ids = {7, 0, 119, 7};
  const rct::Factor stored = f.tree.factor(rct::Query::of_ids(ids));
  const rct::Factor fresh = f.tree.factor(rct::Query::of_points(rct::row_major(f.fresh, D)));
  CHECK(stored.points == ids.size() && stored.m == M && fresh.points == NEW && fresh.m == M);
  bool right = true;
  const auto compare = [&](const rct::Factor &found, std::size_t i, std::size_t point) {
    right = right && close(found.residual_variances[i], f.truth.residuals[point]);
    for (std::size_t j = 0; j < M; j++) right = right && close(found.row(i)[j], f.truth.factor[point * M + j]);
  };
  for (std::size_t i = 0; i < ids.size(); i++) compare(stored, i, static_cast<std::size_t>(ids[i]));
  for (std::size_t i = 0; i < NEW; i++) compare(fresh, i, N + i);
  CHECK(right);

  const rct::Tree plain(Fixture::options(), rct::row_major(f.given.coords, N, D));
  const rct::Factor none = plain.factor(rct::Query::of_ids(ids));
  CHECK(none.m == 0 && none.factor.empty() && none.row(3).empty() && close(none.residual_variances[2], 1.7));
  bool refused = false;
  try {
    none.row(4);
  } catch (const std::out_of_range &) {
    refused = true;
  }
  CHECK(refused);
}

void inducing_points_and_their_cholesky_factor() {
  const Fixture f;
  const rct::InducingPoints found = f.tree.inducing_points();
  CHECK(found.m == M && found.d == D);
  CHECK(found.coords == std::vector<double>(f.given.inducing, f.given.inducing + M * D));
  /* L L' = k(Z, Z) + jitter variance I, and L is lower triangular. */
  bool right = true;
  for (std::size_t i = 0; i < M; i++)
    for (std::size_t j = 0; j <= i; j++) {
      double product = 0, squared = 0;
      for (std::size_t k = 0; k < M; k++) product += found.cholesky[i * M + k] * found.cholesky[j * M + k];
      for (std::size_t k = 0; k < D; k++) squared += std::pow((found.coords[i * D + k] - found.coords[j * D + k]) / 0.3, 2);
      const double covariance = oracle_kernel(&f.truth, std::sqrt(squared)) + (i == j ? 1e-6 * 1.7 : 0);
      right = right && close(product, covariance) && (i == j || close(found.cholesky[j * M + i], 0));
    }
  CHECK(right);
  const rct::Tree plain(Fixture::options(), rct::row_major(f.given.coords, N, D));
  CHECK(plain.inducing_points().m == 0 && plain.inducing_points().cholesky.empty());
}

void covariances_that_are_left() {
  const Fixture f;
  const std::vector<std::int64_t> i = {0, 5, 17}, j = {3, 5, 100};
  const std::vector<double> found = f.tree.residual_covariances(i, j), correlations = f.tree.correlations(i, j);
  const double *p = f.truth.residuals;
  CHECK(close(found[0], correlations[0] * std::sqrt(p[0] * p[3])) && found[0] != 0);
  CHECK(close(found[1], p[5]));
  CHECK(close(found[2], correlations[2] * std::sqrt(p[17] * p[100])));
}

void a_euclidean_tree_has_none_of_these() {
  const std::vector<double> coords = uniform(N * D, 33);
  const rct::Tree tree(rct::Options().metric(rct::Metric::euclidean), rct::row_major(coords, D));
  const std::vector<std::int64_t> ids = {1};
  CHECK_THROWS(tree.factor(rct::Query::of_ids(ids)), RCT_ERROR_UNSUPPORTED, "Euclidean");
  CHECK_THROWS(tree.inducing_points(), RCT_ERROR_UNSUPPORTED, "Euclidean");
  CHECK_THROWS(tree.residual_covariances(ids, ids), RCT_ERROR_UNSUPPORTED, "Euclidean");
}

void ids_that_are_there() {
  Fixture f;
  CHECK(f.tree.ids() == ids_up_to(N));
  const std::int64_t gone[] = {0, 5, 119};
  f.tree.remove(gone);
  f.tree.insert(rct::row_major(f.fresh, D));
  std::vector<std::int64_t> there;
  for (const std::int64_t id : ids_up_to(N + NEW))
    if (id != 0 && id != 5 && id != 119) there.push_back(id);
  CHECK(f.tree.ids() == there);
}

void options_of_trees_of_every_kind() {
  const std::vector<double> coords = uniform(N * D, 34), scales = {0.2, 0.5, 1.5};
  const rct::Options given = rct::Options()
                                 .metric(rct::Metric::correlation)
                                 .kernel(rct::Kernel::rational_quadratic)
                                 .construction(rct::Construction::hybrid)
                                 .ordering(rct::Ordering::natural)
                                 .traversal(rct::Traversal::best_first)
                                 .threads(2)
                                 .variance(1.7)
                                 .lengthscales(scales)
                                 .alpha(0.3)
                                 .jitter(1e-5)
                                 .residual_floor(1e-8);
  const auto are_given = [&](const rct::Options &found) {
    return found.metric() == rct::Metric::correlation && found.kernel() == rct::Kernel::rational_quadratic &&
           found.construction() == rct::Construction::hybrid && found.ordering() == rct::Ordering::natural &&
           found.traversal() == rct::Traversal::best_first && found.threads() == 2 && found.variance() == 1.7 &&
           found.lengthscales() == scales && found.lengthscale() == 0 && found.alpha() == 0.3 &&
           found.jitter() == 1e-5 && found.residual_floor() == 1e-8 && !found.covariance();
  };
  rct::Tree tree(given);
  CHECK(are_given(given) && are_given(tree.options()));
  tree.build(rct::row_major(coords, D));
  CHECK(are_given(tree.options()) && are_given(rct::Tree::from_buffer(tree.to_buffer()).options()));

  /* They make the same tree, and outlive the one they are of. */
  const rct::Options kept = rct::Tree(given).options();
  CHECK(same(rct::Tree(kept, rct::row_major(coords, D)).vecchia_neighbors(4), tree.vecchia_neighbors(4)));
  tree.refit(tree.options().lengthscale(0.4));
  CHECK(tree.options().lengthscale() == 0.4 && tree.options().lengthscales().empty() && tree.options().alpha() == 0.3);

  /* A covariance of the caller's is found again. */
  const auto covariance = [](rct::Span<const double> x, rct::Span<const double> y) {
    return std::exp(-std::fabs(x[0] - y[0]));
  };
  tree.refit(rct::Options().metric(rct::Metric::correlation).covariance(covariance));
  const rct::Neighbors expected = tree.vecchia_neighbors(4);
  CHECK(static_cast<bool>(tree.options().covariance()));
  CHECK(same(rct::Tree(tree.options(), rct::row_major(coords, D)).vecchia_neighbors(4), expected));
}

void a_kernel_needs_its_lengthscale() {
  const std::vector<double> coords = uniform(N * D, 35);
  const auto points = rct::row_major(coords, D);
  CHECK_THROWS(rct::Tree(rct::Options(), points), RCT_ERROR_INVALID_ARGUMENT,
               "lengthscale is not given: Options().lengthscale(x), or lengthscales");
  CHECK_THROWS(rct::Options().lengthscale(0), RCT_ERROR_INVALID_ARGUMENT, "lengthscale is 0");
  rct::Tree tree(rct::Options().lengthscale(0.3), points);
  CHECK_THROWS(tree.refit(rct::Options()), RCT_ERROR_INVALID_ARGUMENT, "Options().lengthscale(x)");
  CHECK(rct::Tree(rct::Options().metric(rct::Metric::euclidean), points).options().lengthscale() == 0);

  CHECK(tree.stats().lengthscale_check == RCT_LENGTHSCALE_PLAUSIBLE && tree.stats().warning == nullptr);
  tree.refit(rct::Options().lengthscale(1e-7));
  CHECK(tree.stats().lengthscale_check == RCT_LENGTHSCALE_TOO_SHORT);
  CHECK(std::string(tree.stats().warning).find("lengthscale") != std::string::npos);
  tree.refit(rct::Options().lengthscale(1e9));
  CHECK(tree.stats().lengthscale_check == RCT_LENGTHSCALE_TOO_LONG && tree.stats().warning != nullptr);
}

/* Functions have their names in C++, files keep theirs. */
void sentences_are_those_of_cxx() {
  rct::Tree tree(unit_options());
  CHECK_THROWS(tree.vecchia_neighbors(3), RCT_ERROR_INVALID_STATE, "call build first");
  const std::vector<double> coords = uniform(N * D, 36);
  tree.build(rct::row_major(coords, D));
  const std::vector<std::int64_t> ids = {0};
  CHECK_THROWS(tree.radius_batch(rct::Query::of_ids(ids).max_distance(1), 1), RCT_ERROR_INVALID_ARGUMENT,
               "given to radius_batch");
  CHECK_THROWS(rct::Tree::load("/nowhere/rct_tree"), RCT_ERROR_IO, "/nowhere/rct_tree");
}

/* Of no points, without and with a place in memory. */
void empty_batches_have_empty_answers() {
  Fixture f;
  const std::vector<std::int64_t> none;
  const std::vector<double> nothing;
  const auto no_points = rct::row_major(nothing, D);
  for (const rct::Query &query : {rct::Query::of_ids(none, 4), rct::Query::of_points(no_points, 4)}) {
    const rct::Neighbors found = f.tree.query_batch(query);
    CHECK(found.queries == 0 && found.k == 4 && found.ids.empty() && found.counts.empty());
    CHECK(f.tree.query_batch(rct::Query(query).id_limits(none)).queries == 0);
    const rct::RadiusNeighbors within = f.tree.radius_batch(query, 0.5);
    CHECK(within.queries == 0 && within.ids.empty() && within.offsets.size() == 1);
    CHECK(f.tree.factor(query).points == 0 && f.tree.factor(query).m == M);
  }
  CHECK(f.tree.distances(none, none).empty() && f.tree.correlations(none, none).empty());
  CHECK(f.tree.residual_covariances(none, none).empty());
  const rct::Neighbors before = f.tree.vecchia_neighbors(4);
  f.tree.remove(none);
  CHECK(f.tree.insert(no_points) == static_cast<std::int64_t>(N));
  CHECK(same(f.tree.vecchia_neighbors(4), before) && f.tree.stats().n == N);
  CHECK_THROWS(f.tree.vecchia_neighbors(4, none), RCT_ERROR_INVALID_ARGUMENT, "order");
  const std::vector<std::int64_t> all = ids_up_to(N);
  f.tree.remove(all);
  CHECK(f.tree.ids().empty() && f.tree.vecchia_neighbors(4, none).queries == 0);
}

}  // namespace

int main() {
  RUN(factor_of_stored_and_new_points);
  RUN(inducing_points_and_their_cholesky_factor);
  RUN(covariances_that_are_left);
  RUN(a_euclidean_tree_has_none_of_these);
  RUN(ids_that_are_there);
  RUN(options_of_trees_of_every_kind);
  RUN(a_kernel_needs_its_lengthscale);
  RUN(sentences_are_those_of_cxx);
  RUN(empty_batches_have_empty_answers);
  return check_report();
}
