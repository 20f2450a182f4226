/* Failures as exceptions, and the life of handles: a failed call leaves things as they were, nothing is freed twice. */
#include <limits>
#include <thread>

#include "support.hpp"

namespace {

constexpr std::size_t N = 50, D = 2, K = 4;

static_assert(!std::is_copy_constructible_v<rct::Tree> && !std::is_copy_assignable_v<rct::Tree>);
static_assert(std::is_nothrow_move_constructible_v<rct::Tree> && std::is_nothrow_move_assignable_v<rct::Tree>);
static_assert(!std::is_copy_constructible_v<rct::RadiusNeighbors>);
static_assert(std::is_nothrow_move_constructible_v<rct::RadiusNeighbors>);

const std::vector<double> &coords() {
  static const std::vector<double> values = uniform(N * D, 5);
  return values;
}

const std::vector<std::int64_t> &ids() {
  static const std::vector<std::int64_t> values = ids_up_to(N);
  return values;
}

void an_error_has_status_name_and_message() {
  try {
    rct::Tree tree(rct::Options().lengthscale(-3.25));
    CHECK(false);
  } catch (const rct::Error &error) {
    CHECK(error.status() == RCT_ERROR_INVALID_ARGUMENT);
    CHECK(std::string(error.status_name()) == "RCT_ERROR_INVALID_ARGUMENT");
    CHECK(std::string(error.what()) == rct_last_error());
    CHECK(std::string(error.what()).find("lengthscale") != std::string::npos);
    CHECK(std::string(error.what()).find("-3.25") != std::string::npos);
  }
  bool as_std = false;
  try {
    rct::Tree(unit_options().jitter(-1));
  } catch (const std::exception &) {
    as_std = true;
  }
  CHECK(as_std);
}

void a_failed_build_leaves_an_empty_tree() {
  std::vector<double> bad = coords();
  bad[7] = std::numeric_limits<double>::quiet_NaN();
  rct::Tree tree(unit_options());
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(ids(), K)), RCT_ERROR_INVALID_STATE, "build");
  CHECK_THROWS(tree.vecchia_neighbors(K), RCT_ERROR_INVALID_STATE, "build");
  CHECK_THROWS(tree.stats(), RCT_ERROR_INVALID_STATE, "build");
  CHECK_THROWS(tree.build(rct::row_major(bad, D)), RCT_ERROR_NOT_FINITE, "coords");
  CHECK_THROWS(rct::Tree(unit_options(), rct::row_major(bad, D)), RCT_ERROR_NOT_FINITE, "coords");
  tree.build(rct::row_major(coords(), D));
  CHECK_THROWS(tree.build(rct::row_major(coords(), D)), RCT_ERROR_INVALID_STATE, "built");
  CHECK(tree.query_batch(rct::Query::of_ids(ids(), K)).ids_of(9)[0] == 9);
}

void bad_calls_throw_and_do_no_harm() {
  const rct::Tree tree(unit_options(), rct::row_major(coords(), D));
  const rct::Neighbors before = tree.query_batch(rct::Query::of_ids(ids(), K));
  const std::vector<std::int64_t> outside = {0, static_cast<std::int64_t>(N)}, one = {0};
  const std::size_t huge = std::numeric_limits<std::size_t>::max();
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(ids(), 0)), RCT_ERROR_INVALID_ARGUMENT, "k");
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(ids(), huge)), RCT_ERROR_INVALID_ARGUMENT, "18446744073709551615");
  /* q times k is 2 modulo 2^64. */
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(outside, huge / 2 + 2)), RCT_ERROR_INVALID_ARGUMENT, "memory");
  CHECK_THROWS(tree.vecchia_neighbors(0), RCT_ERROR_INVALID_ARGUMENT, "k");
  CHECK_THROWS(tree.vecchia_neighbors(huge / 2), RCT_ERROR_INVALID_ARGUMENT, "memory");
  CHECK_THROWS(tree.vecchia_neighbors(K, outside), RCT_ERROR_INVALID_ARGUMENT, "order");
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(outside, K)), RCT_ERROR_INVALID_ARGUMENT, "50");
  CHECK_THROWS(tree.query_batch(rct::Query::of_points(rct::row_major(coords(), 5), K)), RCT_ERROR_INVALID_ARGUMENT,
               "5");
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(ids(), K).id_limit(-1)), RCT_ERROR_INVALID_ARGUMENT, "-1");
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(ids(), K).max_distance(-0.5)), RCT_ERROR_INVALID_ARGUMENT, "-0.5");
  CHECK_THROWS(tree.radius_batch(rct::Query::of_ids(ids()), -1.5), RCT_ERROR_INVALID_ARGUMENT, "-1.5");
  CHECK_THROWS(tree.radius_batch(rct::Query::of_ids(ids()).max_distance(1), 1), RCT_ERROR_INVALID_ARGUMENT,
               "max_distances");
  CHECK_THROWS(tree.distances(outside, one), RCT_ERROR_INVALID_ARGUMENT, "j");
  CHECK_THROWS(tree.correlations(outside, outside), RCT_ERROR_INVALID_ARGUMENT, "50");
  CHECK_THROWS(rct::select_inducing(rct::row_major(coords(), D), N + 1), RCT_ERROR_INVALID_ARGUMENT, "51");
  CHECK_THROWS(rct::select_inducing(rct::row_major(coords(), D), huge), RCT_ERROR_INVALID_ARGUMENT, "memory");
  CHECK_THROWS(rct::order({}, rct::Ordering::maximin), RCT_ERROR_INVALID_ARGUMENT, "coords");
  CHECK_THROWS(rct::order(rct::row_major(coords(), D), static_cast<rct::Ordering>(77)), RCT_ERROR_INVALID_ARGUMENT,
               "77");
  const rct::Tree euclidean(unit_options().metric(rct::Metric::euclidean), rct::row_major(coords(), D));
  CHECK_THROWS(euclidean.correlations(one, one), RCT_ERROR_UNSUPPORTED, "correlation");

  bool refused = false;
  try {
    before.ids_of(N);
  } catch (const std::out_of_range &) {
    refused = true;
  }
  CHECK(refused);
  CHECK(same(tree.query_batch(rct::Query::of_ids(ids(), K)), before));
}

void outputs_of_a_failed_call_are_untouched() {
  const rct::Tree tree(unit_options(), rct::row_major(coords(), D));
  std::vector<std::int64_t> out(N * K, -7);
  const std::vector<std::int64_t> untouched = out;
  CHECK_THROWS(tree.vecchia_neighbors_into(K + 1, {}, {rct::row_major(out, K)}), RCT_ERROR_INVALID_ARGUMENT, "ids");
  CHECK_THROWS(tree.vecchia_neighbors_into(K, {}, {{out.data(), N, K, 1, 1}}), RCT_ERROR_INVALID_ARGUMENT, "ids");
  CHECK(out == untouched);
}

void handles_move() {
  rct::Tree tree(unit_options(), rct::row_major(coords(), D));
  const rct::Neighbors expected = tree.query_batch(rct::Query::of_ids(ids(), K));
  rct::Tree moved = std::move(tree);
  CHECK(same(moved.query_batch(rct::Query::of_ids(ids(), K)), expected));
  CHECK_THROWS(tree.stats(), RCT_ERROR_INVALID_ARGUMENT, "tree is NULL");
  CHECK(tree.get() == nullptr);
  tree = rct::Tree(unit_options());
  tree = std::move(moved);
  CHECK(same(tree.query_batch(rct::Query::of_ids(ids(), K)), expected));

  std::vector<rct::Tree> trees;
  for (int t = 0; t < 5; t++) trees.emplace_back(unit_options().threads(1), rct::row_major(coords(), D));
  CHECK(same(trees[2].query_batch(rct::Query::of_ids(ids(), K)), expected));

  /* A result outlives its tree. */
  rct::RadiusNeighbors outliving;
  CHECK(outliving.queries == 0 && outliving.ids.empty());
  {
    const rct::Tree brief(unit_options(), rct::row_major(coords(), D));
    rct::RadiusNeighbors result = brief.radius_batch(rct::Query::of_ids(ids()), 0.5);
    outliving = std::move(result);
    CHECK(result.queries == 0 && result.ids.empty());
  }
  CHECK(outliving.queries == N && outliving.ids_of(3)[0] == 3);
}

void nothing_of_the_callers_is_kept() {
  std::vector<double> values = coords();
  std::unique_ptr<rct::Options> options = std::make_unique<rct::Options>();
  options->lengthscales({0.3, 0.6});
  rct::Tree tree(*options);
  options.reset();
  tree.build(rct::row_major(values, D));
  const rct::Neighbors before = tree.query_batch(rct::Query::of_ids(ids(), K));
  values.assign(values.size(), 0.0);
  CHECK(same(tree.query_batch(rct::Query::of_ids(ids(), K)), before));
}

void one_tree_serves_many_threads() {
  const rct::Tree tree(unit_options(), rct::row_major(coords(), D));
  const rct::Neighbors expected = tree.query_batch(rct::Query::of_ids(ids(), K));
  std::vector<int> right(8, 0);
  std::vector<std::thread> threads;
  for (int &ok : right)
    threads.emplace_back([&] {
      bool failed_well = false;
      for (int t = 0; t < 20; t++) {
        try {
          tree.query_batch(rct::Query::of_ids(ids(), 0));
        } catch (const rct::Error &) {
          failed_well = true;
        }
        ok = failed_well && same(tree.query_batch(rct::Query::of_ids(ids(), K)), expected) ? 1 : 0;
      }
    });
  for (std::thread &thread : threads) thread.join();
  for (const int ok : right) CHECK(ok);
}

void the_version_is_the_headers() { CHECK(rct::version() == RCT_VERSION); }

}  // namespace

int main() {
  RUN(an_error_has_status_name_and_message);
  RUN(a_failed_build_leaves_an_empty_tree);
  RUN(bad_calls_throw_and_do_no_harm);
  RUN(outputs_of_a_failed_call_are_untouched);
  RUN(handles_move);
  RUN(nothing_of_the_callers_is_kept);
  RUN(one_tree_serves_many_threads);
  RUN(the_version_is_the_headers);
  return check_report();
}
